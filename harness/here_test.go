package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness/testdata/guests"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/here"
)

// playWord is the first argument of this program where it plays the helper of -k here: what it plays, and the folder, follow.
const playWord = "play-the-helper"

// playHelper reports as the helper does, in what is called play.
func playHelper(play, dir string) {
	text, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	var plan wire.Plan
	must(err)
	must(json.Unmarshal(text, &plan))
	w := wire.NewWriter(os.Stdout, plan.Nonce)
	send := func(f wire.Frame) { must(w.Write(f)) }
	log := func(lines string) { send(wire.Frame{Kind: wire.KindLog, Text: lines}) }
	for _, f := range guests.Frames("fifo", wire.Spec{Name: "works", State: "passed"}) {
		f.Suite = plan.Suites[0].Name
		switch f.Kind {
		case wire.KindHello:
			f.Release, f.Suite, f.Count = plan.Target.Release, "", os.Getpid()
		case wire.KindStage:
			log(fmt.Sprintf("<13>[    1.000000] %s\n", wire.Marker(plan.Nonce, wire.Mark{Suite: f.Suite, Stage: f.Stage, Done: f.Done})))
		case wire.KindLoad:
			playLoad(play, plan, send, log)
		case wire.KindEnd:
			f.Suite = ""
		}
		send(f)
		if play == "busy" && f.Kind == wire.KindHello {
			send(wire.Frame{Kind: wire.KindTrouble, Text: "fifo is loaded on this machine already"})
			return
		}
	}
}

// playLoad is what becomes of the load.
func playLoad(play string, plan wire.Plan, send func(wire.Frame), log func(string)) {
	switch play {
	case "oops":
		log("<1>[    2.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n<4>[    2.000001] RIP: 0010:fifo_init+0x5/0x10 [fifo]\n")
		os.Exit(4)
	case "dies":
		os.Exit(4)
	case "killed":
		must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
	case "journals":
		line, err := wire.Doing{Boot: "this", Stage: "load", Label: plan.Here.Label}.Encode()
		must(err)
		must(os.WriteFile(plan.Here.Journal, line, 0o644))
	case "hangs":
		for {
			send(wire.Frame{Kind: wire.KindHeartbeat, Still: 60_000})
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// hereFixture plays a run on this machine itself. There is no QEMU.
func hereFixture(t *testing.T, play string) *fixture {
	t.Helper()
	f := newFixture(t, "")
	t.Setenv("PATH", t.TempDir())
	f.sources = func(Spec) map[string]Source { return map[string]Source{"here": hereSource{f.source}} }
	f.helper = func(args ...string) ([]string, error) {
		return append([]string{os.Args[0], playWord, play}, args...), nil
	}
	f.pstore = func(context.Context) ([]here.Kept, error) { return nil, nil }
	f.limits = func(Spec) deadlines {
		return deadlines{boot: time.Minute, silent: time.Minute, still: grace, call: time.Minute, whole: time.Minute, ask: grace}
	}
	f.spec.Kernels, f.spec.Yes = Selectors("here"), true
	return f
}

type hereSource struct{ *fakeSource }

func (hereSource) Resolve(context.Context, kernels.Selector) (kernels.Resolution, error) {
	return kernels.Resolution{Targets: []kernels.Target{{Release: "6.1.0-amd64", Version: "6.1.0", Arch: "x86_64", Source: "here"}}}, nil
}

// What a helper sent before it ended counts, however late it is read.
func TestHereIsReadToItsEnd(t *testing.T) {
	f := hereFixture(t, "passes")
	limits := f.limits
	f.limits = func(s Spec) deadlines {
		d := limits(s)
		d.ask = time.Minute // for its output, too
		return d
	}
	notify := f.notify
	f.notify = func(e results.Event) {
		if e.Stage == results.StageLoad {
			time.Sleep(300 * time.Millisecond) // the helper has ended long since
		}
		notify(e)
	}
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rec := res.Records[0]; rec.Status != results.Pass {
		t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
	}
}

func TestHere(t *testing.T) {
	for play, want := range map[string]struct{ verdict, reason string }{
		"passes":   {"PASS@ ", ""},
		"journals": {"PASS@ ", ""},
		"oops":     {"FAIL@load oops", "NULL pointer dereference in fifo_init"},
		"dies":     {"FAIL@load reset", "the kernel ended what called the module"},
		"hangs":    {"FAIL@load hang", "no progress"},
		"killed":   {"ERROR@load infra", "the helper ended: helper-died"},
		"busy":     {"ERROR@boot infra", "here: fifo is loaded on this machine already"},
	} {
		t.Run(play, func(t *testing.T) {
			f := hereFixture(t, play)
			res, err := f.run(t, t.Context())
			if err != nil {
				t.Fatal(err)
			}
			rec := res.Records[0]
			if got := fmt.Sprintf("%s@%s %s", rec.Status, rec.Stage, rec.Code); got != want.verdict || !strings.Contains(rec.Reason, want.reason) {
				t.Errorf("%s: %s; want %s: %s", got, rec.Reason, want.verdict, want.reason)
			}
			if rec.Target.Label() != "6.1.0-amd64+here" || rec.Attempts != 1 || rec.Cached || play != "busy" && rec.Artifacts.Console == "" {
				t.Errorf("%+v", rec)
			}
			if h := res.Run.Host; h.QEMU != "" || h.Accelerator != "" {
				t.Errorf("there was no guest, and yet %+v", h)
			}
			if left, _ := filepath.Glob(filepath.Join(f.spec.Out, hereName)); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if play == "hangs" && !slices.ContainsFunc(rec.Notes, func(n string) bool { return strings.Contains(n, "reboot this machine") }) {
				t.Errorf("no word of what is left: %q", rec.Notes)
			}
		})
	}
}

func TestHereIsAgreedTo(t *testing.T) {
	f := hereFixture(t, "passes")
	f.spec.Yes = false
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context(), p); !errors.As(err, new(*UsageError)) || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("%v", err)
	}
	text, err := f.Consent(p)
	for _, word := range []string{"driver", "6.1.0-amd64", "lifecycle as root", "can hang, crash or lose data", os.Args[0] + " " + playWord} {
		if !strings.Contains(text, word) || err != nil {
			t.Errorf("%q is not in %q, %v", word, text, err)
		}
	}
	f.spec.BuildOnly = true
	if res, err := f.run(t, t.Context()); err != nil || res.Records[0].Status != results.Pass {
		t.Errorf("a build loads nothing: %v", err)
	}
}

// TestHereWentDown finds what a run has left that the machine did not survive.
func TestHereWentDown(t *testing.T) {
	const oops = "Panic#1 Part1\n<1>[    2.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n<4>[    2.000001] RIP: 0010:fifo_init+0x5/0x10 [fifo]\n<0>[    2.100000] Kernel panic - not syncing: Fatal exception\n"
	began := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		doing           []wire.Doing
		kept            []here.Kept
		verdict, reason string
		helped, left    bool // the helper was started; the file is still there
	}{
		"in its init, with a log": {[]wire.Doing{{Stage: "load"}}, []here.Kept{{Text: oops, Time: began}}, "FAIL@load oops", "NULL pointer dereference in fifo_init", false, false},
		"in its init, without one": {[]wire.Doing{{Stage: "load"}}, []here.Kept{{Text: oops, Time: began.Add(-time.Hour)}}, "FAIL@load reset",
			"this machine went down during load, and nothing kept its last words", false, false},
		"in a spec": {[]wire.Doing{{Stage: "load"}, {Stage: "test"}, {Stage: "test", Spec: "one"}, {Stage: "test", Spec: "two"}}, nil, "FAIL@test reset",
			`during test, in "two"`, false, false},
		"as it was unloaded":   {[]wire.Doing{{Stage: "load"}, {Stage: "test"}, {Stage: "unload"}}, nil, "FAIL@unload reset", "during unload", false, false},
		"before anything":      {nil, nil, "PASS@ ", "", true, false},
		"under another kernel": {[]wire.Doing{{Stage: "load", Label: "6.2.0-amd64+here"}}, nil, "PASS@ ", "", true, true},
		"another source":       {[]wire.Doing{{Stage: "load", Source: "sha256:00"}}, nil, "PASS@ ", "", true, true},
		"another suite":        {[]wire.Doing{{Stage: "load", Suite: "another"}}, nil, "PASS@ ", "", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := hereFixture(t, "passes")
			p, err := f.Plan(t.Context(), f.spec)
			must(err)
			var text []byte
			for _, d := range c.doing {
				d.Boot, d.Nonce, d.Release, d.Modules, d.Time = "another", "n", "6.1.0-amd64", []string{"fifo"}, began
				for field, usual := range map[*string]string{&d.Label: "6.1.0-amd64+here", &d.Source: p.Module.SourceDigest, &d.Suite: Lifecycle} {
					if *field == "" {
						*field = usual
					}
				}
				line, err := d.Encode()
				must(err)
				text = append(text, line...)
			}
			must(os.MkdirAll(f.spec.Out, 0o755))
			file := filepath.Join(f.spec.Out, "here-X.jsonl")
			must(os.WriteFile(file, text, 0o644))
			f.pstore = func(context.Context) ([]here.Kept, error) { return c.kept, nil }
			helped := false
			start := f.helper
			f.helper = func(args ...string) ([]string, error) { helped = true; return start(args...) }
			f.spec.Retries = 2 // of a machine that went down, there is no other attempt
			res, err := f.run(t, t.Context())
			must(err)
			rec := res.Records[0]
			if got := fmt.Sprintf("%s@%s %s", rec.Status, rec.Stage, rec.Code); got != c.verdict || !strings.Contains(rec.Reason, c.reason) {
				t.Errorf("%s: %s; want %s: %s", got, rec.Reason, c.verdict, c.reason)
			}
			if _, err := os.Stat(file); helped != c.helped || (err == nil) != c.left {
				t.Errorf("the helper was started: %v; the file is left: %v", helped, err == nil)
			}
		})
	}
}

// TestHereStaysGone leaves a machine alone that hangs.
func TestHereStaysGone(t *testing.T) {
	f := hereFixture(t, "hangs")
	suite := filepath.Join(filepath.Dir(f.spec.Module), "more")
	must(os.MkdirAll(suite, 0o755))
	must(os.WriteFile(filepath.Join(suite, "more_test.go"), []byte("package more\n"), 0o644))
	f.spec.Suites = append(f.spec.Suites, suite)
	res, err := f.run(t, t.Context())
	must(err)
	var verdicts []string
	for _, rec := range res.Records {
		verdicts = append(verdicts, fmt.Sprintf("%s %s", rec.Status, rec.Code))
	}
	slices.Sort(verdicts)
	if got := strings.Join(verdicts, ", "); got != "ERROR infra, FAIL hang" {
		t.Error(got)
	}
}
