package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

// redraw is how often a live view is drawn, however many events there are in between.
const redraw = 120 * time.Millisecond

// view is what a live view draws.
type view interface {
	Add(results.Event)
	View(report.Frame) string
}

// live redraws a view in place while a run goes on, and leaves nothing but notices behind.
type live struct {
	out   io.Writer
	size  func() (width, height int)
	color bool

	stopping func() bool

	mu      sync.Mutex
	board   view
	notices []string        // to be left behind above the view
	noted   map[string]bool // notices that are not repeated; nil: all are
	away    bool            // another program has the terminal
	drawn   []string        // the lines on the terminal, cursor below the last
	shown   string          // what they are of: drawn again only where something is new

	close func() // takes the view off the terminal and gives the cursor back
}

// newLive starts the view on out until ctx ends. It reads no keys and handles no signals: Ctrl-C is the run's business.
func newLive(ctx context.Context, out *output, color bool, board view) *live {
	l := &live{out: out, color: color, board: board, stopping: func() bool { return ctx.Err() != nil },
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
		if !l.noted[e.Text] {
			l.notices = append(l.notices, report.Note(e.Text))
		}
		if l.noted != nil {
			l.noted[e.Text] = true
		}
		return
	}
	l.board.Add(e)
}

// suspend takes the view off the terminal, for another program, until resume.
func (l *live) suspend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	width, _ := l.size()
	_, _ = io.WriteString(l.out, l.erase(width)+ansi.ShowCursor)
	l.away = true
}

func (l *live) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.out, ansi.HideCursor)
	l.away = false
}

// change changes what is drawn.
func (l *live) change(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

// draw replaces what is on the terminal in one write, so that it does not flicker. That it cannot be written ends no run.
func (l *live) draw(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return
	}
	width, height := l.size()
	view := l.board.View(report.Frame{Width: width, Height: height, Now: now, Color: l.color, Stopping: l.stopping()})
	shown := fmt.Sprint(width, height, view)
	if shown == l.shown && len(l.notices) == 0 {
		return
	}
	text := l.erase(width)
	_, _ = io.WriteString(l.out, text+view)
	l.drawn, l.shown = strings.Split(strings.TrimSuffix(view, "\n"), "\n"), shown
}

// erase returns what takes the view off a terminal of that width, with the notices that stay in its place. The terminal
// may have become narrower since, and then has broken lines in two.
func (l *live) erase(width int) string {
	up := 0
	for _, line := range l.drawn {
		up += max((ansi.StringWidth(line)+max(width, 1)-1)/max(width, 1), 1)
	}
	l.drawn, l.shown = nil, ""
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
