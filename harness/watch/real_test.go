package watch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/harness/watch"
	"github.com/modmatrix/modmatrix/results"
)

const driver = "../../suites/example/driver"

// watched is a watch of a copy of the example driver on one real kernel.
type watched struct {
	*testing.T
	*watch.Loop
	file     string // of the driver
	events   chan results.Event
	changes  chan watch.Change
	commands chan watch.Command
	ended    chan error
}

func watchDriver(t *testing.T) *watched {
	module := t.TempDir()
	if err := os.CopyFS(module, os.DirFS(driver)); err != nil {
		t.Fatal(err)
	}
	spec, err := config.Default().Spec(config.Flags{Kernels: []string{"debian:bookworm/cloud-amd64"}, Spec: harness.Spec{Module: module, Suites: []string{harness.Lifecycle}, Out: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{T: t, file: filepath.Join(module, "fifo.c"), events: make(chan results.Event, 1<<16), changes: make(chan watch.Change, 10), commands: make(chan watch.Command), ended: make(chan error, 1)}
	w.Loop, err = watch.New(watch.Options{Harness: harness.Options{Tool: "modmatrix test", Events: func(e results.Event) { w.events <- e }}, Folder: module, Commands: w.commands,
		Spec: func() (harness.Spec, error) { return spec, nil }, Verdict: func(c watch.Change) { w.changes <- c }})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := w.Loop.Run(t.Context())
		w.ended <- err
	}()
	return w
}

func (w *watched) save(text string) {
	w.Helper()
	if err := os.WriteFile(w.file, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

// until logs how long it takes until an event fits; no other round may end before.
func (w *watched) until(what string, fits func(results.Event) bool) {
	w.Helper()
	began := time.Now()
	for e := range w.events {
		if fits(e) {
			w.Logf("%s: %v", what, time.Since(began).Round(time.Millisecond))
			return
		}
		if e.Kind == results.EventRound && e.State != results.StateStart {
			w.Fatalf("%s: the round came to %s: %s", what, e.Round.Status, e.Text)
		}
	}
}

func done(s results.Status) func(results.Event) bool {
	return func(e results.Event) bool {
		return e.Kind == results.EventRound && e.State == results.StateDone && e.Round.Status == s
	}
}

func compiling(e results.Event) bool {
	return e.Stage == results.StageBuild && e.State == results.StateStart
}

func dropped(e results.Event) bool {
	return e.Kind == results.EventRound && e.State == results.StateFailed && e.Text == watch.Changed
}

// One line of a real driver is broken and mended, on one real kernel, and a round is dropped in its middle. How long that takes, the
// log says; modmatrix-bench holds it to its budget.
func TestRealWatch(t *testing.T) {
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("boots a real kernel: set MODMATRIX_REAL=1, or make real")
	}
	w := watchDriver(t)
	data, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	w.until("the first round", done(results.Pass))
	w.save(strings.Replace(good, "return 0;", "return undeclared_thing;", 1))
	w.until("broken", done(results.Fail))
	if c := <-w.changes; c.Was != results.Pass || c.Now != results.Fail || !strings.HasPrefix(c.First.Reason, "fifo.c:") || !strings.Contains(c.First.Reason, "undeclared_thing") {
		t.Errorf("the verdict changed from %s to %s: %s", c.Was, c.Now, c.First.Reason)
	}
	if log, err := os.ReadFile(w.Log()); err != nil || !strings.Contains(string(log), "undeclared_thing") {
		t.Errorf("the log: %v\n%s", err, log)
	}
	mark := func(text string) string {
		return good + "MODULE_INFO(watch, \"" + text + time.Now().String() + "\");\n"
	}
	w.save(mark("once "))
	w.until("compiling", compiling)
	w.save(mark("once more "))
	w.until("dropped", dropped)
	w.until("mended", done(results.Pass))
	if c := <-w.changes; c.Was != results.Fail || c.Now != results.Pass || c.First.Status != "" {
		t.Errorf("the verdict changed from %s to %s: %s", c.Was, c.Now, c.First.Reason)
	}
	w.commands <- watch.Command{Do: watch.DoQuit}
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
}
