package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

// redraw is how often a live view is drawn, however many events there are in between.
const redraw = 120 * time.Millisecond

// live redraws a board in place while a run goes on, and leaves nothing but notices behind.
type live struct {
	out   io.Writer
	size  func() (width, height int)
	color bool

	stopping func() bool

	mu      sync.Mutex
	board   *report.Board
	notices []string // to be left behind above the view
	drawn   []string // the lines on the terminal, cursor below the last

	close func() // takes the view off the terminal and gives the cursor back
}

// newLive starts the view on out until ctx ends. It reads no keys and handles no signals: Ctrl-C is the run's business.
func newLive(ctx context.Context, out *output, color bool) *live {
	l := &live{out: out, color: color, board: report.NewBoard(time.Now()), stopping: func() bool { return ctx.Err() != nil },
		size: func() (int, int) { w, h, _ := terminal(out.file); return w, h }}
	_, _ = io.WriteString(out, ansi.HideCursor)
	l.start()
	return l
}

func (l *live) start() {
	stop := every(redraw, l.draw)
	l.close = sync.OnceFunc(func() {
		stop()
		l.mu.Lock()
		defer l.mu.Unlock()
		width, _ := l.size()
		_, _ = io.WriteString(l.out, l.erase(width)+ansi.ShowCursor)
	})
}

// every calls do again and again, until the function that it returns has returned.
func every(beat time.Duration, do func(now time.Time)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-ticker.C:
				do(now)
			}
		}
	}()
	return sync.OnceFunc(func() { close(done); <-ended })
}

func (l *live) event(e results.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind == results.EventNotice {
		l.notices = append(l.notices, report.Note(e.Text))
		return
	}
	l.board.Add(e)
}

// draw replaces what is on the terminal in one write, so that it does not flicker. That it cannot be written ends no run.
func (l *live) draw(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	width, height := l.size()
	text := l.erase(width)
	view := l.board.View(report.Frame{Width: width, Height: height, Now: now, Color: l.color, Stopping: l.stopping()})
	_, _ = io.WriteString(l.out, text+view)
	l.drawn = strings.Split(strings.TrimSuffix(view, "\n"), "\n")
}

// erase returns what takes the view off a terminal of that width, with the notices that stay in its place. The terminal
// may have become narrower since, and then has broken lines in two.
func (l *live) erase(width int) string {
	up := 0
	for _, line := range l.drawn {
		up += max((ansi.StringWidth(line)+max(width, 1)-1)/max(width, 1), 1)
	}
	l.drawn = nil
	text := ""
	if up > 0 {
		text = ansi.CursorUp(up) + "\r" + ansi.EraseScreenBelow
	}
	for _, n := range l.notices {
		text += n + "\n"
	}
	l.notices = nil
	return text
}

// busy is a line on the terminal that says what goes on, where that takes long enough to be asked about.
type busy struct {
	out   io.Writer
	width int
	since time.Time
	text  atomic.Value // string
	stop  func()
}

// busyAfter is how long a command may be silent on a terminal.
const busyAfter = time.Second

// busyWith begins; done must be called before anything else is written.
func (a *app) busyWith(text string) *busy {
	b := &busy{out: io.Discard, since: time.Now(), stop: func() {}}
	b.with(text)
	if width, _, ok := terminal(a.Stderr.file); ok && !a.quiet && !a.verbose && !a.json {
		b.out, b.width = a.Stderr, width
		b.stop = every(redraw, b.draw)
	}
	return b
}

// with says what goes on now.
func (b *busy) with(text string) { b.text.Store(text) }

func (b *busy) draw(now time.Time) {
	if now.Sub(b.since) >= busyAfter {
		_, _ = io.WriteString(b.out, "\r"+ansi.EraseLineRight+ansi.Truncate(b.text.Load().(string)+" …", b.width-1, "…"))
	}
}

func (b *busy) done() {
	b.stop()
	_, _ = io.WriteString(b.out, "\r"+ansi.EraseLineRight)
}

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
	_, _, live := terminal(a.Stderr.file)
	switch {
	case a.json:
		return watcher{func(e results.Event) { _ = e.JSON(a.Stdout) }, func() {}} // output remembers what could not be written
	case a.quiet:
		return silence
	case live && !a.verbose && os.Getenv("CI") == "":
		l := newLive(ctx, a.Stderr, a.coloured(a.Stderr.file))
		return watcher{l.event, l.close}
	}
	t := newTextLines(a.Stderr, a.verbose)
	return watcher{t.event, t.close}
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

func (a *app) harness(w watcher) (*harness.Harness, error) {
	return harness.New(harness.Options{Events: w.event, Tool: toolName(), History: historyDir(), Fakes: a.fakes})
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
