package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

func TestATouchedSourceIsAnotherOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.c")
	if err := os.WriteFile(path, []byte("int i;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"1", "2"} {
		if err := touch(path, mark); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if want := "int i;\nMODULE_INFO(bench, \"1\");\nMODULE_INFO(bench, \"2\");\n"; err != nil || string(got) != want {
		t.Errorf("%q", got)
	}
}

func TestValuesAreShownAsPeopleReadThem(t *testing.T) {
	for _, test := range []struct {
		value float64
		unit  Unit
		want  string
	}{{1.0 / 15, Ratio, "1/15"}, {0.0426, Ratio, "1/23.5"}, {1.0449, Ratio, "1.04"}, {0.9, Ratio, "0.90"}, {0, Ratio, "0.00"}, {0.387, Seconds, "0.39 s"}, {63.44, MiB, "63.4 MiB"}} {
		if got := show(test.value, test.unit); got != test.want {
			t.Errorf("%v %s is shown as %q, want %q", test.value, test.unit, got, test.want)
		}
	}
}

var someFigures = Figures{Schema: Schema, Kernels: []string{"6.1.0-9-amd64"},
	Machine: measure.Machine{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), CPU: "Some CPU", Cores: 2, MemoryMiB: 4096, Kernel: "6.1", QEMU: "7.2.22", Accelerator: "tcg+max", Load: 0.5},
	Rows: []Row{
		Row{What: "clone against cold boot", Kernel: "6.1.0-9-amd64", Value: 0.05, Unit: Ratio, Detail: "0.2 s against 4 s", Load: 1}.atMost(1.0 / 15),
		Row{What: "nothing changed", Value: 1.5, Unit: Seconds, Detail: "once"}.atMost(1),
		{What: "of it, hello", Value: 0.2, Unit: Seconds, Detail: "first frame"},
		{What: "cell against virtme-ng", Budget: "≤ 1/50", Missing: "no vng on PATH"},
	}}

func TestTheTableSaysWhatWasMetAndWhatWasNotMeasured(t *testing.T) {
	const want = `Some CPU, 2 cores, 4096 MiB, Linux 6.1, QEMU 7.2.22 with tcg+max, load 0.5 at the start, 2026-01-02T03:04:05Z

WHAT                     KERNEL         MEASURED      BUDGET    MET  DETAIL
clone against cold boot  6.1.0-9-amd64  1/20          ≤ 1/15    yes  0.2 s against 4 s (load 1.0)
nothing changed                         1.50 s        ≤ 1.00 s  NO   once (load 0.0)
of it, hello                            0.20 s                  –    first frame (load 0.0)
cell against virtme-ng                  not measured  ≤ 1/50         no vng on PATH
`
	var b bytes.Buffer
	if err := someFigures.table(&b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheFileHoldsEveryFigure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.json")
	if err := measure.Save(path, someFigures); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back Figures
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Schema != Schema || back.Machine != someFigures.Machine || len(back.Rows) != 4 || !*back.Rows[0].Met || *back.Rows[1].Met ||
		back.Rows[2].Met != nil || back.Rows[3].Met != nil || back.Rows[3].Missing == "" {
		t.Errorf("came back as %+v", back)
	}
}

func TestGuestsAreFoundByTheirName(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	guest := filepath.Join(t.TempDir(), "qemu-system-none")
	if err := os.Symlink(sleep, guest); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(guest, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if pids := guests(); !slices.Equal(pids, []int{cmd.Process.Pid}) {
		t.Errorf("guests are %v, not %d", pids, cmd.Process.Pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if pids := guests(); len(pids) > 0 {
		t.Errorf("guests are %v, of which none runs", pids)
	}
}

func TestMemoryIsReadInBytes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "smaps_rollup")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("00400000-7ffc rollup\nRss:   900 kB\nPss:  100 kB\nPss_Dirty: 5 kB\nPrivate_Clean:  1 kB\nPrivate_Dirty:  63 kB\n")
	u, err := readSmaps(file)
	if err != nil || u != (usage{private: 64 << 10, share: 100 << 10}) {
		t.Errorf("%+v, %v", u, err)
	}
	write("Pss: 100 kB\n")
	if _, err := readSmaps(file); err == nil {
		t.Error("memory without its private part was believed")
	}
	if u, err := memoryOf(os.Getpid()); err != nil || u.private < 1<<20 {
		t.Errorf("of this process: %+v, %v", u, err)
	}
}

func TestSyntheticCellsPass(t *testing.T) {
	if rec := judge.Judge(evidence(1)); rec.Status != results.Pass || len(rec.Specs) != manySpecs {
		t.Errorf("%s with %d specs: %s", rec.Status, len(rec.Specs), rec.Reason)
	}
	if n := len(syntheticPlan().Cells()); n != 10_000 {
		t.Errorf("%d cells", n)
	}
}

func TestPartsAreChosenByName(t *testing.T) {
	b := &bench{pairs: 1, only: []string{"judge", "boot"}}
	chosen, err := b.choose()
	if err != nil || len(chosen) != 2 || chosen[0].name != "boot" {
		t.Errorf("%v, %v", chosen, err)
	}
	b.only = []string{"bot"}
	if _, err := b.choose(); err == nil || !strings.Contains(err.Error(), "boot, vng, build") {
		t.Errorf("error %v does not say which there are", err)
	}
	if _, err := (&bench{}).choose(); err == nil {
		t.Error("no pairs at all are fine")
	}
}

func TestAnotherVerdictIsADeviation(t *testing.T) {
	record := func(change func(*results.Record)) results.Record {
		r := results.Record{Status: results.Fail, Code: results.CodeOops, Reason: "BUG", Specs: []results.Spec{{Name: "a", Status: results.Pass, DurationMS: time.Now().UnixNano()}},
			Splats: []results.Splat{{Kind: "oops", Fingerprint: "f", Line: 7}}, Timings: results.Timings{Restore: 90}}
		change(&r)
		return r
	}
	for name, test := range map[string]struct {
		change func(*results.Record)
		bad    bool
	}{
		"the same":          {func(r *results.Record) { r.Timings.Total, r.Splats[0].Line = 5, 9 }, false},
		"another status":    {func(r *results.Record) { r.Status = results.Error }, true},
		"another reason":    {func(r *results.Record) { r.Reason = "WARNING" }, true},
		"a spec is missing": {func(r *results.Record) { r.Specs = nil }, true},
		"a spec failed":     {func(r *results.Record) { r.Specs[0].Status = results.Fail }, true},
		"one splat more":    {func(r *results.Record) { r.Splats = append(r.Splats, results.Splat{Fingerprint: "g"}) }, true},
		"not a clone":       {func(r *results.Record) { r.Timings.Restore = 0 }, true},
		"from the cache":    {func(r *results.Record) { r.Cached = true }, true},
	} {
		c := &subject{name: "bad"}
		if err := c.compare(record(func(*results.Record) {})); err != nil {
			t.Fatal(err)
		}
		err := c.compare(record(test.change))
		if errors.As(err, new(deviation)) != test.bad || c.times != 2 {
			t.Errorf("%s: %v after %d", name, err, c.times)
		}
	}
}

func TestWhatIsLeftIsFound(t *testing.T) {
	s := &soak{temp: t.TempDir()}
	before := settle()
	if err := s.leftovers(before); err != nil {
		t.Errorf("nothing is left: %v", err)
	}
	held, err := os.CreateTemp(s.temp, "held-")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	err = s.leftovers(before)
	if err == nil || !strings.Contains(err.Error(), "a file is left") || !strings.Contains(err.Error(), "descriptors") {
		t.Errorf("a file and a descriptor are left: %v", err)
	}
}
