package harness

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

// Shell boots the plan's first target, loads the module and joins term to a shell in the guest, until that shell or ctx
// ends. The terminal's modes are the caller's business. Where the module does not load, the shell comes up all the same.
// Where debug is not nil, the guest waits for a debugger before it loads the module; debug is called with the command that starts one.
func (h *Harness) Shell(ctx context.Context, p *Plan, term io.ReadWriter, debug func(command string)) error {
	if len(p.Targets) == 0 {
		return errors.New(p.Unresolved[0].Reason)
	}
	if isHere(p.Targets[0]) {
		return &UsageError{errors.New("a shell is for guests, and -k here is this machine itself: -k host gives a guest of its kernel")}
	}
	dbg, err := newDebugger(p, debug)
	if err != nil {
		return err
	}
	h.event(results.Event{Kind: results.EventPlan, Text: p.Module.Name, Cells: []results.Cell{{Target: Label(p.Targets[0])}}})
	for _, line := range p.trust() {
		h.Notice(line)
	}
	patient := *p
	patient.Spec.Timeout = shellLimit
	r, err := h.prepare(ctx, &patient)
	if err != nil {
		return err
	}
	defer r.cleanUp()
	if err := r.compileSuites(ctx); err != nil {
		return err
	}
	tree, err := r.fetch(ctx, p.Targets[0], r.inLine(p.Targets[0]))
	if err != nil {
		return err
	}
	b := r.builder.build(ctx, tree, func() {})
	if blame := cmp.Or(b.fault, b.trouble); blame != nil {
		return errors.New(blame.Reason)
	}
	if b.firmware, err = r.firmware(ctx, tree); err != nil {
		return err
	}
	tree = r.roomy(tree, &results.Target{}, &b)
	c := cell{run: r, tree: tree, built: b}
	t := r.pool.verified(ctx, tree, r.pool.template(ctx, tree))
	if t.err != nil {
		return t.err
	}
	if dbg != nil {
		dbg.tree, dbg.built = tree, b.all()
		cleanUp, err := dbg.settle(r.work)
		if err != nil {
			return err
		}
		defer cleanUp()
	}
	out, err := (&session{&c, task{shell: true, debug: dbg}}).run(ctx, t, term)
	if err != nil {
		return err
	}
	if !out.rounds.Current().Hello {
		return errors.New("the guest never came up; its last words: " + judge.LastLine(judge.Tail(out.log)))
	}
	return ctx.Err()
}

// shellLimit ends a shell that somebody forgot.
const shellLimit = 24 * time.Hour
