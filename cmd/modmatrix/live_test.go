package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func TestLiveViewLeavesOnlyNoticesBehind(t *testing.T) {
	dawn := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	board := report.NewBoard(dawn)
	board.Add(results.Event{Kind: results.EventPlan, Text: "mydriver", Cells: []results.Cell{{Target: "6.1", Suite: "lifecycle"}}, Time: dawn})
	var out bytes.Buffer
	l := &live{out: &out, board: board, size: func() (int, int) { return 80, 24 }}
	ctx, cancel := context.WithCancel(t.Context())
	l.stopping = func() bool { return ctx.Err() != nil }
	l.start()
	l.draw(dawn.Add(30 * time.Second))
	l.event(results.Event{Kind: results.EventNotice, Text: "guests are emulated\x1b[2J"})
	l.draw(dawn.Add(31 * time.Second))
	lines := len(l.drawn)
	cancel()
	l.close()
	l.close()
	text := out.String()
	if !strings.Contains(text, ansi.CursorUp(lines)+"\r"+ansi.EraseScreenBelow+`note  guests are emulated\x1b[2J`+"\n") {
		t.Errorf("the notice does not take the place of the view: %q", text)
	}
	if !strings.HasSuffix(text, ansi.EraseScreenBelow+ansi.ShowCursor) {
		t.Errorf("the terminal is not given back: %q", text[max(0, len(text)-80):])
	}
}

// A line says what goes on, once it goes on for long, and is gone when it is over.
func TestWhatIsBusySaysSo(t *testing.T) {
	var out bytes.Buffer
	b := &busy{out: &out, width: 24, since: time.Now(), stop: func() {}}
	b.with("reading entry 1")
	b.draw(b.since.Add(busyAfter - 1))
	if out.Len() > 0 {
		t.Errorf("too early: %q", &out)
	}
	b.draw(b.since.Add(busyAfter))
	b.with("reading entry 2: trees, 6.1")
	b.draw(b.since.Add(busyAfter + redraw))
	b.done()
	if got, want := out.String(), "\r\x1b[Kreading entry 1 …\r\x1b[Kreading entry 2: trees…\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
