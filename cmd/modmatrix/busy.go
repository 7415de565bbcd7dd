package main

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/charmbracelet/x/ansi"
)

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
