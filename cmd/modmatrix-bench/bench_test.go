package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, test := range []struct {
		samples []float64
		want    float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{7, 1, 100}, 7}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(test.samples); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.samples, got, test.want)
		}
	}
	samples := []float64{3, 1, 2}
	median(samples)
	if samples[0] != 3 {
		t.Error("the samples were sorted in place: they are to be written as they came")
	}
}

func TestARatioNeedsBothSides(t *testing.T) {
	ours, theirs := []time.Duration{1, 1, 40}, []time.Duration{10, 20, 30}
	if got := ratio(ours, theirs); got != 0.05 {
		t.Errorf("ratio is %v, want 0.05", got)
	}
	if got := ratio(ours, nil); got != 0 {
		t.Errorf("ratio to nothing is %v", got)
	}
}

func TestWhatIsComparedTakesTurns(t *testing.T) {
	var order string
	measure := func(name string, took time.Duration) func() (time.Duration, error) {
		return func() (time.Duration, error) { order += name; return took, nil }
	}
	ours, theirs, err := inTurn(3, measure("a", 1), measure("b", 2))
	if err != nil || order != "abbaab" || sum(ours) != 3 || sum(theirs) != 6 {
		t.Errorf("%s: %v %v %v", order, ours, theirs, err)
	}
	broken := func() (time.Duration, error) { return 0, errors.New("broken") }
	if _, _, err := inTurn(1, measure("a", 1), broken); err == nil {
		t.Error("half a comparison is no error")
	}
}

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
	if got, want := read(path), "int i;\nMODULE_INFO(bench, \"1\");\nMODULE_INFO(bench, \"2\");\n"; got != want {
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
	Machine: Machine{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), CPU: "Some CPU", Cores: 2, MemoryMiB: 4096, Kernel: "6.1", QEMU: "7.2.22", Accelerator: "tcg+max", Load: 0.5},
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
	if err := someFigures.write(path); err != nil {
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

func TestStatIsReadWhateverTheName(t *testing.T) {
	pid, name, parent, ok := parseStat("42 (a) S (b c) S 7 42 42 0 -1")
	if pid != 42 || name != "a) S (b c" || parent != 7 || !ok {
		t.Errorf("%d %q %d %v", pid, name, parent, ok)
	}
	for _, bad := range []string{"", "42", "42 (", "x (y) S 1", "42 (y) S", ") 42 ("} {
		if _, _, _, ok := parseStat(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add("42 (qemu-system-x86) S 7 42")
	f.Fuzz(func(t *testing.T, text string) { parseStat(text) })
}

func TestMemoryIsReadInBytes(t *testing.T) {
	u, err := parseSmaps("00400000-7ffc rollup\nRss:   900 kB\nPss:  100 kB\nPss_Dirty: 5 kB\nPrivate_Clean:  1 kB\nPrivate_Dirty:  63 kB\n")
	if err != nil || u != (usage{private: 64 << 10, share: 100 << 10}) {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := parseSmaps("Pss: 100 kB\n"); err == nil {
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

func TestTheDriverCanBeBroken(t *testing.T) {
	source, err := os.ReadFile("../../suites/example/driver/fifo.c")
	if err != nil {
		t.Fatal(err)
	}
	broken, err := mutate(string(source))
	if err != nil || broken == string(source) {
		t.Errorf("error %v", err)
	}
	if _, err := mutate("int main;"); err == nil {
		t.Error("another source was broken without a word")
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
		c := &sort{name: "bad"}
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
	s := &soak{temp: t.TempDir(), bad: &sort{module: "/x/soak-bad"}}
	if err := os.Mkdir(filepath.Join(s.temp, "soak-bad"), 0o755); err != nil {
		t.Fatal(err)
	}
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
