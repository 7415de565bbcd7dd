package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// watcher shows a run while it goes on. event is called for one event at a time; after close, which may be called
// more than once, nothing is shown any more.
type watcher interface {
	event(harness.Event)
	close()
}

// watch gives the watcher that fits where we are: JSON Lines, a live table on a terminal, or else plain lines.
func (a *app) watch(ctx context.Context) watcher {
	_, _, live := terminal(a.Stderr)
	switch {
	case a.json:
		return &jsonLines{enc: json.NewEncoder(results.PlainJSON(a.Stdout)), err: a.Stderr}
	case a.quiet:
		return silence{}
	case live && !a.verbose && os.Getenv("CI") == "":
		return newLive(ctx, a.Stderr, a.coloured(a.Stderr))
	}
	return &textLines{w: a.Stderr, verbose: a.verbose}
}

type silence struct{}

func (silence) event(harness.Event) {}
func (silence) close()              {}

// jsonLines writes every event as one line.
type jsonLines struct {
	enc  *json.Encoder
	err  io.Writer
	once sync.Once
}

func (j *jsonLines) event(e harness.Event) {
	if err := j.enc.Encode(e); err != nil {
		j.once.Do(func() { fmt.Fprintf(j.err, "modmatrix: write event: %v\n", err) })
	}
}

func (j *jsonLines) close() {}

// textLines writes a line for every stage that has ended and every cell that is judged; with verbose, also for what
// begins, and for every spec.
type textLines struct {
	w       io.Writer
	verbose bool
}

func (t *textLines) close() {}

func (t *textLines) event(e harness.Event) {
	if what := t.describe(e); what != "" {
		fmt.Fprintln(t.w, what)
	}
}

func (t *textLines) describe(e harness.Event) string {
	line := func(what, text string) string {
		return fmt.Sprintf("%-28s  %-18s  %s", results.Plain(e.Target), results.Plain(what), text)
	}
	what := string(e.Stage)
	if e.Suite != "" {
		what = e.Suite + " " + what
	}
	text := results.Plain(e.Text)
	switch {
	case e.Kind == harness.EventNotice:
		return "note  " + text
	case e.Kind == harness.EventSpec && t.verbose && e.State == harness.StateStart:
		return line(what, fmt.Sprintf(`spec %d/%d "%s"`, e.Done+1, max(e.Total, e.Done+1), text))
	case e.Kind == harness.EventRecord && e.Record != nil:
		return line(e.Suite, verdictLine(*e.Record))
	case e.Kind != harness.EventStage:
		return ""
	case e.State == harness.StateStart && t.verbose:
		return line(what, "begins")
	case e.State == harness.StateDone && e.Elapsed > 0:
		return line(what, results.Seconds(e.Elapsed))
	case e.State == harness.StateDone:
		return line(what, "done")
	case e.State == harness.StateCached:
		return line(what, "(cached)")
	case e.State == harness.StateFailed:
		return line(what, "FAILED  "+text)
	}
	return ""
}

// verdictLine is a record in one line: the status, the score where there is one, and why.
func verdictLine(rec results.Record) string {
	text := string(rec.Status)
	if score, _ := rec.Score(); score != text && rec.Status == results.Pass {
		text += "  " + score
	}
	if rec.Status != results.Pass && rec.Reason != "" {
		text += "  " + results.Plain(rec.Reason)
	}
	return text
}
