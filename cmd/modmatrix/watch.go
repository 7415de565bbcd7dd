package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// watcher shows a run while it goes on. event is called for one event at a time; after close, which may be called
// more than once, nothing is shown any more.
type watcher interface {
	event(results.Event)
	close()
}

// watch gives the watcher that fits where we are: JSON Lines, a live table on a terminal, or else plain lines.
func (a *app) watch(ctx context.Context) watcher {
	_, _, live := terminal(a.Stderr.file)
	switch {
	case a.json:
		return jsonLines{enc: json.NewEncoder(results.PlainJSON(a.Stdout))}
	case a.quiet:
		return silence{}
	case live && !a.verbose && os.Getenv("CI") == "":
		return newLive(ctx, a.Stderr, a.coloured(a.Stderr.file))
	}
	return newTextLines(a.Stderr, a.verbose)
}

type silence struct{}

func (silence) event(results.Event) {}
func (silence) close()              {}

// jsonLines writes every event as one line.
type jsonLines struct{ enc *json.Encoder }

func (j jsonLines) event(e results.Event) { _ = j.enc.Encode(e) } // run tells of what could not be written

func (j jsonLines) close() {}

// textLines writes a line for every stage that has ended and every cell that is judged; with verbose, also for what
// begins, and for every spec. What takes long gets a line now and then: a log that stands still looks like a hang.
type textLines struct {
	w       io.Writer
	verbose bool

	mu        sync.Mutex
	underway  map[stageKey]*underway
	done      chan struct{}
	closeOnce sync.Once
}

// stageKey tells apart what goes on at the same time.
type stageKey struct {
	target, suite, guest string
	stage                results.Stage
}

// underway is a stage that has begun and not ended.
type underway struct {
	last        results.Event // that told of it
	began, told time.Time
}

// tellAfter is how long a stage may go on in silence.
const tellAfter = 10 * time.Second

func newTextLines(w io.Writer, verbose bool) *textLines {
	t := &textLines{w: w, verbose: verbose, done: make(chan struct{})}
	go func() {
		beat := time.NewTicker(time.Second)
		defer beat.Stop()
		for {
			select {
			case <-t.done:
				return
			case now := <-beat.C:
				t.tellOfLong(now)
			}
		}
	}()
	return t
}

func (t *textLines) close() { t.closeOnce.Do(func() { close(t.done) }) }

func (t *textLines) event(e results.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(e, time.Now())
	if what := t.describe(e); what != "" {
		fmt.Fprintln(t.w, what)
	}
}

// note keeps track of what is under way.
func (t *textLines) note(e results.Event, now time.Time) {
	if t.underway == nil {
		t.underway = map[stageKey]*underway{}
	}
	key := stageKey{e.Target, e.Suite, e.Guest, e.Stage}
	u, known := t.underway[key]
	switch {
	case e.Kind == results.EventRecord:
		maps.DeleteFunc(t.underway, func(k stageKey, _ *underway) bool { return k.target == e.Target && k.suite == e.Suite })
	case e.Kind == results.EventStage && e.State == results.StateStart:
		t.underway[key] = &underway{e, now, now}
	case known && (e.Kind == results.EventSpec || e.State == results.StateProgress):
		u.last = e
	case e.Kind == results.EventStage:
		delete(t.underway, key)
	}
}

// tellOfLong writes a line for each stage of which nothing was heard for long.
func (t *textLines) tellOfLong(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	byName := func(a, b stageKey) int {
		return cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.suite, b.suite), cmp.Compare(a.guest, b.guest), cmp.Compare(a.stage, b.stage))
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.underway), byName) {
		u := t.underway[key]
		if now.Sub(u.told) < tellAfter {
			continue
		}
		u.told = now
		text := "… " + results.Seconds(now.Sub(u.began)) + howFar(u.last)
		fmt.Fprintln(t.w, stageLine(u.last, text))
	}
}

// howFar says what a stage is about just now.
func howFar(e results.Event) string {
	switch {
	case e.Kind == results.EventSpec:
		return fmt.Sprintf(`  spec %d/%d "%s"`, min(e.Done+1, max(e.Total, 1)), max(e.Total, 1), results.Plain(e.Text))
	case e.State != results.StateProgress:
		return ""
	case e.Total > 0:
		return "  " + results.Plain(e.Text) + " " + amount(e.Done, e.Total, e.Unit)
	}
	return "  " + results.Plain(e.Text)
}

// amount is how much of something there is by now: bytes as people count them, all else by the piece.
func amount(done, total int64, unit string) string {
	if unit == kernels.Bytes {
		return megabytes(done) + " of " + megabytes(total)
	}
	return strings.TrimRight(fmt.Sprintf("%d of %d %s", done, total, results.Plain(unit)), " ")
}

// stageLine says something of what e is about. Of several guests of a cell it names the one.
func stageLine(e results.Event, text string) string {
	what := strings.TrimSpace(e.Suite + " " + string(e.Stage))
	if e.Guest != "" && e.Kind != results.EventSpec {
		text = fmt.Sprintf(`%-8s  of "%s"`, text, results.Plain(e.Guest))
	}
	return fmt.Sprintf("%-28s  %-18s  %s", results.Plain(e.Target), results.Plain(what), text)
}

func (t *textLines) describe(e results.Event) string {
	line := func(text string) string { return stageLine(e, text) }
	text := results.Plain(e.Text)
	switch {
	case e.Kind == results.EventNotice:
		return "note  " + text
	case e.Kind == results.EventSpec && t.verbose && e.State == results.StateStart:
		return line(fmt.Sprintf(`spec %d/%d "%s"`, e.Done+1, max(e.Total, e.Done+1), text))
	case e.Kind == results.EventRecord && e.Record != nil:
		return line(verdictLine(*e.Record))
	case e.Kind != results.EventStage:
		return ""
	case e.State == results.StateStart && t.verbose:
		return line("begins")
	case e.State == results.StateDone && e.Elapsed > 0:
		return line(results.Seconds(e.Elapsed))
	case e.State == results.StateDone:
		return line("done")
	case e.State == results.StateCached:
		return line("(cached)")
	case e.State == results.StateFailed:
		return line("FAILED  " + text)
	}
	return ""
}

// verdictLine is a record in one line: the status, the score where there is one, and why.
func verdictLine(rec results.Record) string {
	text := string(rec.Status)
	if score, _ := rec.Score(); score != text && rec.Status == results.Pass {
		text += "  " + score
	}
	if rec.Status != results.Pass && rec.Kept != nil {
		text += "  (kept)"
	}
	if rec.Status != results.Pass && rec.Reason != "" {
		text += "  " + results.Plain(rec.Reason)
	}
	return text
}
