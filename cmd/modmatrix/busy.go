package main

import (
	"io"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// busy is a line on the terminal that says what goes on, where that takes long enough to be asked about.
type busy struct {
	out   io.Writer // nil: nobody reads it
	width int

	mu    sync.Mutex
	text  string
	shown bool
	timer *time.Timer
}

// busyAfter is how long a command may be silent on a terminal.
const busyAfter = time.Second

// busyWith begins; done must be called before anything else is written.
func (a *app) busyWith(text string) *busy {
	b := &busy{text: text}
	if width, _, ok := terminal(a.Stderr.file); ok && !a.quiet && !a.verbose && !a.json {
		b.out, b.width = a.Stderr, width
		b.timer = time.AfterFunc(busyAfter, b.show)
	}
	return b
}

func (b *busy) show() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shown = b.timer != nil
	b.draw()
}

func (b *busy) draw() {
	if b.shown {
		_, _ = io.WriteString(b.out, "\r"+ansi.EraseLineRight+ansi.Truncate(b.text+" …", b.width-1, "…"))
	}
}

// with says what goes on now.
func (b *busy) with(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = text
	b.draw()
}

func (b *busy) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if b.shown {
		b.shown = false
		_, _ = io.WriteString(b.out, "\r"+ansi.EraseLineRight)
	}
}
