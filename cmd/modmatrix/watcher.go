package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

// watcher shows a run while it goes on, one event at a time. After close, which may be called again, it shows nothing.
type watcher struct {
	event func(results.Event)
	close func()
}

// lastly is w that keeps back the last of JSON Lines until finish is called: what becomes of the results comes before them.
func (a *app) lastly(w watcher) (_ watcher, finish func()) {
	if !a.json {
		return w, func() {}
	}
	var end []results.Event
	return watcher{func(e results.Event) {
			if e.Kind == results.EventFinished {
				end = append(end, e)
				return
			}
			w.event(e)
		}, w.close}, func() {
			for _, e := range end {
				w.event(e)
			}
		}
}

var silence = watcher{func(results.Event) {}, func() {}}

// watch returns the watcher that fits where we are: JSON Lines, a live table on a terminal, or else plain lines.
func (a *app) watch(ctx context.Context) watcher {
	switch {
	case a.json:
		return watcher{func(e results.Event) { _ = e.JSON(a.Stdout) }, func() {}} // output remembers what could not be written
	case a.quiet:
		return silence
	case a.livens():
		l := newLive(ctx, a.Stderr, a.coloured(a.Stderr.file), report.NewBoard(time.Now()))
		return watcher{l.event, l.close}
	}
	t := newTextLines(a.Stderr, a.verbose)
	return watcher{t.event, t.close}
}

// livens says whether there is a terminal for a live view.
func (a *app) livens() bool {
	_, _, ok := terminal(a.Stderr.file)
	return ok && !a.json && !a.quiet && !a.verbose && os.Getenv("CI") == ""
}

// watchSteps shows what takes long, and notices: each kernel of a bisection gets its line when its test is over.
func (a *app) watchSteps() watcher {
	if a.quiet {
		return silence
	}
	t := newTextLines(a.Stderr, a.verbose)
	t.longOnly = !a.verbose
	return watcher{t.event, t.close}
}

func (a *app) harness(w watcher) (*harness.Harness, error) { return harness.New(a.options(w)) }

func (a *app) options(w watcher) harness.Options {
	return harness.Options{Events: w.event, Tool: toolName(), History: historyDir(), Fakes: a.fakes}
}

// watched opens the harness, and shows with w what do does with it.
func (a *app) watched(w watcher, do func(*harness.Harness) error) error {
	defer w.close()
	h, err := a.harness(w)
	if err != nil {
		return err
	}
	return do(h)
}

// planned is watched for what is done with the plan of spec.
func (a *app) planned(ctx context.Context, w watcher, spec harness.Spec, do func(*harness.Harness, *harness.Plan) error) error {
	return a.watched(w, func(h *harness.Harness) error {
		plan, err := h.Plan(ctx, spec)
		if err != nil {
			return err
		}
		defer plan.Close()
		return do(h, plan)
	})
}

type textLines struct {
	w        io.Writer
	longOnly bool // only what takes long, and each notice once

	mu       sync.Mutex
	progress report.Progress
	noted    map[string]bool
	close    func()
}

func newTextLines(w io.Writer, verbose bool) *textLines {
	t := &textLines{w: w, progress: report.Progress{Verbose: verbose}, noted: map[string]bool{}}
	t.close = every(time.Second, t.long)
	return t
}

func (t *textLines) event(e results.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := t.progress.Add(e, time.Now())
	if t.longOnly && (e.Kind != results.EventNotice || t.noted[line]) {
		return
	}
	t.noted[line] = t.longOnly
	if line != "" {
		fmt.Fprintln(t.w, line)
	}
}

func (t *textLines) long(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range t.progress.Long(now) {
		fmt.Fprintln(t.w, line)
	}
}

func (a *app) encode(v any) error { return json.NewEncoder(results.PlainJSON(a.Stdout)).Encode(v) }

// say writes v as a line of JSON, or else a line of text. What cannot be written, output remembers.
func (a *app) say(v any, text string, args ...any) {
	if a.json {
		_ = a.encode(v)
	} else {
		fmt.Fprintf(a.Stdout, text+"\n", args...)
	}
}

func (a *app) note(texts ...string) {
	for _, text := range texts {
		fmt.Fprintln(a.Stderr, report.Note(text))
	}
}
