package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// Watch is what stays on a terminal while rounds come and go: the first error on top, the board of the round, and what can be
// typed. It is fed with events and drawn by View; it never looks at a clock.
type Watch struct {
	board   *Board
	next    *Board // of a round that has no plan yet: until then, that of the one before stays
	round   results.Round
	busy    bool      // the round goes on
	ended   time.Time // of the round on the board, while none goes on
	first   string    // the first error, with its line
	where   string    // the cell that it is of
	failed  bool      // the first error is a FAIL
	before  bool      // it is of the round before, and this one has not said anything of it yet
	trouble string    // why the round came to no end
	typing  bool
	typed   string
}

// NewWatch is what is there before the first round.
func NewWatch(began time.Time) *Watch { return &Watch{board: NewBoard(began)} }

// Type shows what the user types as a focus. Typing is false when that is over.
func (w *Watch) Type(typing bool, text string) { w.typing, w.typed = typing, text }

// Add brings it up to date.
func (w *Watch) Add(e results.Event) {
	switch {
	case e.Kind == results.EventRound && e.Round != nil:
		w.addRound(e)
		return
	case e.Kind == results.EventRecord && e.Record != nil:
		w.judge(e)
	case e.Kind == results.EventPlan && w.next != nil:
		w.board, w.next = w.next, nil
	}
	w.board.Add(e)
}

func (w *Watch) addRound(e results.Event) {
	if e.State == results.StateStart {
		w.round, w.trouble, w.before, w.next = *e.Round, "", true, NewBoard(e.Time)
		w.next.number, w.busy = true, true
		return
	}
	w.round, w.ended, w.trouble, w.next, w.busy = *e.Round, e.Time, "", nil, false
	switch e.State {
	case results.StateFailed:
		w.trouble = results.Plain(e.Text)
	case results.StateDone:
		if w.before { // this one had none
			w.first = ""
		}
	}
}

// judge keeps the first error; a FAIL says more of the module than what went wrong on our side.
func (w *Watch) judge(e results.Event) {
	rec := e.Record
	bad := rec.Status == results.Fail || rec.Status == results.Error
	if !bad || !w.before && w.first != "" && (w.failed || rec.Status == results.Error) {
		return
	}
	w.first, w.where, w.failed, w.before = rec.Why(), results.Plain(e.Target), rec.Status == results.Fail, false
	if shared(*rec) || rec.Suite == "" {
		w.where += " · " + string(rec.Stage)
	} else {
		w.where += " · " + results.Plain(rec.Suite)
	}
}

// View draws it all. No line is wider than the frame, and there are not more than fit.
func (w *Watch) View(f Frame) string {
	inner := f
	if (!w.busy || w.next != nil) && !w.ended.IsZero() {
		inner.Now = w.ended
	}
	if inner.Height > 0 {
		inner.Height = max(inner.Height-2, 1)
	}
	lines := []string{w.top(f), strings.TrimSuffix(w.board.View(inner), "\n"), ansi.Truncate(w.bottom(f), f.Width, "…")}
	return strings.Join(lines, "\n") + "\n"
}

// top is the first error, in one line with its place in the source at the beginning.
func (w *Watch) top(f Frame) string {
	with := ink(results.Fail)
	switch {
	case w.trouble != "":
		return paint(ansi.Truncate("✗ "+w.trouble, f.Width, "…"), with, f.Color)
	case w.first == "":
		return ""
	case w.before:
		return paint(ansi.Truncate("before: "+w.first+" · "+w.where, f.Width, "…"), "dim", f.Color)
	}
	text := ansi.Truncate("✗ "+w.first, f.Width, "…")
	if rest := f.Width - ansi.StringWidth(text); rest > 3 {
		return paint(text, with, f.Color) + paint(ansi.Truncate(" · "+w.where, rest, "…"), "dim", f.Color)
	}
	return paint(text, with, f.Color)
}

const watchKeys = "r all · f failed · / or number focus · l log · q quit"

func (w *Watch) bottom(f Frame) string {
	if w.typing {
		return "  focus on a kernel's number, or on specs that match; empty is all: " + paint(results.Plain(w.typed)+"▏", "head", f.Color)
	}
	state := "waiting for a change"
	if w.busy {
		state = strings.TrimSuffix(fmt.Sprintf("round %d: %s", w.round.Number, w.changed()), ": ")
	} else if s := w.round.Status; s != "" {
		state = paint(string(s), ink(s), f.Color) + w.was() + paint(" · "+state, "dim", f.Color)
	}
	if w.round.Only != "" {
		state = "only " + results.Plain(w.round.Only) + " · " + state
	}
	return "  " + state + paint(" · "+watchKeys, "dim", f.Color)
}

func (w *Watch) was() string {
	if w.round.Was == "" || w.round.Was == w.round.Status {
		return ""
	}
	return " (was " + string(w.round.Was) + ")"
}

func (w *Watch) changed() string { return changedNames(w.round) }

func changedNames(r results.Round) string {
	var names []string
	for _, name := range r.Changed {
		names = append(names, results.Plain(name))
	}
	return strings.Join(names, ", ")
}

// roundLine is the line of a round where there is no terminal.
func roundLine(e results.Event) string {
	line := fmt.Sprintf("round %d", e.Round.Number)
	if names := changedNames(*e.Round); names != "" {
		line += "  " + names
	}
	switch e.State {
	case results.StateFailed:
		return line + "  ended: " + results.Plain(e.Text)
	case results.StateDone:
		line += "  " + string(e.Round.Status)
		if e.Round.Was != "" && e.Round.Was != e.Round.Status {
			line += "  (was " + string(e.Round.Was) + ")"
		}
	}
	return line
}
