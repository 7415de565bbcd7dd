package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// round is one run.
type round struct {
	cancel context.CancelFunc
	done   chan outcome
}

type outcome struct {
	res *results.Results
	err error
}

// begin starts the next round. None is under way.
func (l *Loop) begin(ctx context.Context, spec harness.Spec) {
	l.number++
	if l.want.focus != "" {
		spec.Focus = l.want.focus
	}
	ctx, cancel := context.WithCancel(ctx)
	l.round = &round{cancel, make(chan outcome, 1)}
	want, done := l.want, l.round.done
	l.heard.begin(l.number, spec.Out)
	l.changed = l.still(l.changed)
	l.report(results.StateStart, "")
	l.changed = nil
	go func() {
		res, err := l.once(ctx, spec, want)
		done <- outcome{res, err}
	}()
}

// still are those of names that are there, without what an editor wrote for a moment; all where none is: they were removed.
func (l *Loop) still(names []string) []string {
	there := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := os.Lstat(filepath.Join(l.opt.Folder, name))
		return err != nil
	})
	if len(there) == 0 {
		return names
	}
	return there
}

func (l *Loop) once(ctx context.Context, spec harness.Spec, want wanted) (*results.Results, error) {
	plan, err := l.h.Plan(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	if want.kernel != "" && !plan.Narrow(func(c results.Cell) bool { return c.Target == want.kernel }) {
		l.h.Notice(want.kernel + " is not among the kernels any more: all are run")
	}
	if want.failed {
		plan.Narrow(l.heard.failed())
	}
	return l.h.Run(ctx, plan)
}

// drop ends the round under way, and returns when nothing of it is left.
func (l *Loop) drop(why string) {
	if l.round == nil {
		return
	}
	l.round.cancel()
	<-l.round.done
	l.round = nil
	l.report(results.StateFailed, why)
}

// over takes down what came of a round.
func (l *Loop) over(o outcome) {
	l.round.cancel()
	l.round = nil
	if o.err != nil {
		l.report(results.StateFailed, o.err.Error())
		return
	}
	l.last = o.res
	was, now := l.heard.over(worst(o.res))
	l.h.Report(results.Event{Kind: results.EventRound, State: results.StateDone, Round: &results.Round{Number: l.number, Only: l.want.String(), Status: now, Was: was}})
}

// report reports the beginning of a round, or why it comes to no end.
func (l *Loop) report(state results.State, text string) {
	l.h.Report(results.Event{Kind: results.EventRound, State: state, Text: text,
		Round: &results.Round{Number: l.number, Changed: slices.Clone(l.changed), Only: l.want.String(), Was: l.heard.last()}})
}

// worst is the verdict on all cells together.
func worst(res *results.Results) (all results.Status) {
	for _, rec := range res.Records {
		all = all.Worse(rec.Status)
	}
	return all
}

// heard is what the events of all rounds come to.
type heard struct {
	events  func(results.Event)
	verdict func(Change)

	mu     sync.Mutex
	status map[results.Cell]results.Status // of every cell, when it was judged last
	cells  []results.Cell                  // of this round
	change Change                          // Now is the verdict so far, and Was that of the round before
	known  results.Status                  // the verdict that was reported last
}

func (h *heard) begin(number int, out string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out, _ = filepath.Abs(out)
	h.change = Change{Was: h.known, Round: number, Out: out}
}

// event notes e and passes it on. The first failure decides a round's verdict.
func (h *heard) event(e results.Event) {
	h.mu.Lock()
	switch {
	case e.Kind == results.EventPlan:
		h.cells = e.Cells
	case e.Kind == results.EventRecord && e.Record != nil && e.Record.Status != results.Miss:
		bad := e.Record.Status == results.Fail || e.Record.Status == results.Error
		h.status[results.Cell{Target: e.Target, Suite: e.Suite}] = e.Record.Status
		if bad && (h.change.First.Status == "" || h.change.First.Status == results.Error && e.Record.Status == results.Fail) {
			h.change.First = *e.Record
			h.change.First.Specs = nil // which may be many
		}
		if e.Record.Status == results.Fail {
			h.turn(results.Fail)
		}
	}
	h.mu.Unlock()
	if h.events != nil {
		h.events(e)
	}
}

// turn reports a verdict that is not the last one. The first of all is no change.
func (h *heard) turn(now results.Status) {
	was := h.known
	h.known = now
	if was == "" || was == now || h.verdict == nil {
		return
	}
	change := h.change
	change.Was, change.Now = was, now
	h.verdict(change)
}

func (h *heard) over(now results.Status) (was, _ results.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn(now)
	return h.change.Was, now
}

func (h *heard) last() results.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.change.Was
}

// failed picks the cells that failed when they were judged last; every cell where none did.
func (h *heard) failed() func(results.Cell) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	bad := map[results.Cell]bool{}
	for c, s := range h.status {
		if s == results.Fail || s == results.Error {
			bad[c] = true
		}
	}
	return func(c results.Cell) bool { return len(bad) == 0 || bad[c] }
}

// rows are the kernels on the board, from above.
func (h *heard) rows() (labels []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.cells {
		labels = append(labels, c.Target)
	}
	return slices.Compact(labels)
}

func (h *heard) log() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.change.First.Artifacts
	switch {
	case a.Console != "" && h.change.First.Stage != results.StageBuild:
		return filepath.Join(h.change.Out, a.Console)
	case a.BuildLog != "":
		return filepath.Join(h.change.Out, a.BuildLog)
	}
	return ""
}
