package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// cell is one target with one suite, under way.
type cell struct {
	run   *run
	tree  *kernels.Tree
	about results.Target
	suite string
	built built

	counterpart bool // built is the kernel's own copy, in the place of the module under test
}

// life takes the cell from its module to its record, with the artifacts written:
//
//	recall    the same cell passed before, and nothing that its verdict depends on has changed
//	template  what its guests are started from
//	guests    as many as the verdict needs, which again and request decide (attempts.go, requested.go); each of them is
//	          a payload, a guest that is watched until its end, and the verdict on what it showed
//	keep      the artifacts beside results.json, and a pass in the cache
func (c *cell) life(ctx context.Context) results.Record {
	t := c.template(ctx)
	key := c.cacheKey(t)
	if rec, ok := c.recall(key); ok {
		return rec
	}
	if whole := c.run.pool.verified(ctx, c.tree, t); whole != t {
		t, key = whole, c.cacheKey(whole)
	}
	parts := c.parts(ctx, t)
	var tries attempts
	for {
		c.runParts(ctx, t, parts)
		if ctx.Err() == nil && c.request(parts) {
			continue
		}
		rec := c.keep(ctx, key, len(tries)+1, merge(parts))
		tries = append(tries, rec)
		if ctx.Err() != nil || !tries.again(c.spec()) || isHere(c.tree.Target) && !passed(rec) { // a machine that failed once proves little
			return tries.sum(c.spec())
		}
		if !passed(rec) {
			c.run.h.Notice(fmt.Sprintf("%s: attempt %d: %s %s; trying again", c.name(), len(tries), rec.Status, rec.Reason))
		}
		parts, key = again(parts), "" // what passes at another attempt is not what a cache should answer with
	}
}

// template is what the cell's guests are started from; nil where there will be none.
func (c *cell) template(ctx context.Context) *template {
	if c.spec().BuildOnly || c.built.deferred != "" || len(c.built.Modules) == 0 {
		return nil
	}
	if isHere(c.tree.Target) { // there is no guest, so nothing to start it from
		return &template{label: Label(c.tree.Target)}
	}
	return c.run.pool.template(ctx, c.tree)
}

func (c *cell) runGuest(ctx context.Context, t *template, p *part) {
	e, out := c.evidence(ctx, t, p)
	if wasInterrupted(ctx, ctx.Err()) && (e.Guest == nil || !e.Guest.End) {
		e.Interrupted, e.Ended = true, endedBy(ctx)
	}
	p.rec, p.log, p.guest = c.run.h.judge(e), out.log, e.Guest
	p.rec.InTree = c.built.inTree
	if out.restored > 0 {
		p.rec.Timings.Boot, p.rec.Timings.Restore = 0, out.restored.Milliseconds()
	}
	p.rec.Timings.Total = out.took.Milliseconds()
	if !c.built.cached {
		p.rec.Timings.Build, p.rec.Objects = c.built.elapsed.Milliseconds(), c.built.objects()
		p.rec.Timings.Total += p.rec.Timings.Build
	}
}

func (c *cell) evidence(ctx context.Context, t *template, p *part) (judge.Evidence, outcome) {
	e := judge.Evidence{Excluded: c.built.excluded, Deferred: c.built.deferred, Notes: c.built.Notes, Predicted: c.built.expected(), Want: c.tree.Target.Release,
		BuildOnly: c.spec().BuildOnly, Build: c.built.fault, Trouble: c.built.trouble,
		Built: len(c.built.Modules) > 0, Modules: len(c.built.Modules)}
	switch {
	case t == nil:
		return e, outcome{}
	case t.err != nil:
		e.Trouble = c.run.infra(results.StageBoot, t.err)
		return e, outcome{}
	case t.failed != nil:
		e.Guest, e.End, e.Tail = t.failed.Guest, t.failed.End, t.failed.Tail
		return e, outcome{log: t.console}
	}
	out, round, err := c.guestOf(ctx, t, p)
	if err != nil {
		e.Trouble = c.run.infra(results.StageBoot, err)
	}
	if out.rounds == nil {
		return e, outcome{} // there never was a guest
	}
	e.Own = c.run.own.devices()
	e.Observe(judge.Observation{Rounds: out.rounds, Round: round, End: out.end, Log: out.log, Before: out.before, Cut: out.cut,
		Modules: moduleNamesOf(c.built.all())})
	e.Notes = append(e.Notes, out.notes...)
	if e.Here = isHere(c.tree.Target); e.Here {
		c.addHere(&e, p)
	}
	c.addFacts(&e)
	c.addPlaces(&e)
	c.dropForeignResidue(&e, p)
	c.markNoise(ctx, t, &e)
	return e, out
}

// guestOf returns what the guest of p showed, and which of its rounds is the cell's.
func (c *cell) guestOf(ctx context.Context, t *template, p *part) (outcome, int, error) {
	if c.spec().Isolate == IsolateNone {
		if out, round, ok := c.sharedGuest(ctx, t, p); ok {
			if out.rounds.Through(round) {
				return out, round, nil // what broke later is not this round's
			}
			return out, round, out.err
		}
	}
	out, err := c.queued(ctx, t, task{suites: []string{c.suite}, part: p})
	return out, 0, err
}

// queued carries a task out as soon as a processor is free for it. The outcome is the zero value where that never was.
func (c *cell) queued(ctx context.Context, t *template, do task) (outcome, error) {
	r := c.run
	release := r.own.acquire(ctx)
	if release == nil {
		return outcome{}, nil
	}
	defer release()
	at := results.Cell{Target: Label(c.tree.Target), Suite: c.suite}
	if err := r.cpu.acquire(ctx, r.order.cell(at, c.mark())); err != nil {
		return outcome{}, nil
	}
	defer r.cpu.release()
	began := time.Now()
	out, err := (&session{c, do}).run(ctx, t, nil)
	out.took = time.Since(began)
	if len(do.suites) == 1 && !do.list && do.part.whole() {
		at.Suite += c.mark()
		r.times.note(durationKey(r.plan, at), out.took)
	}
	return out, err
}

func (c *cell) keep(ctx context.Context, key string, n int, whole part) results.Record {
	rec := whole.rec
	printed := ""
	if whole.guest != nil {
		printed = whole.guest.Output
	}
	artifacts, err := c.run.records.out.keep(c.folder(n), c.built.log, whole.log, printed, rec.Specs)
	if err != nil { // what cannot be shown is no verdict
		c.run.records.written(err)
		rec = c.run.h.judge(judge.Evidence{Trouble: &judge.Blame{Stage: results.StageShutdown, Code: results.CodeInfra, Reason: "its artifacts could not be kept: " + err.Error()}})
	}
	rec.Artifacts = artifacts
	c.remember(ctx, key, rec, whole.guest, whole.log)
	return rec
}

// folder is where the artifacts of attempt n go. Those of the kernel's own copy lie within the folder of the module's cell.
func (c *cell) folder(n int) string {
	if !c.counterpart {
		return c.run.records.out.cell(c.about, c.suite, n)
	}
	return attemptDir(filepath.Join(c.run.records.out.cell(c.about, c.suite, 1), "in-tree"), n)
}

// mark distinguishes the cell of the kernel's own copy from that of the module.
func (c *cell) mark() string {
	if c.counterpart {
		return " (in tree)"
	}
	return ""
}

func (c *cell) spec() Spec { return c.run.plan.Spec }

func (c *cell) limits() deadlines { return c.run.h.deadlines(c.spec(), c.tree.Target) }

func (c *cell) name() string { return Label(c.tree.Target) + " " + c.suite + c.mark() }

// event sends e, unless it is of a guest with the kernel's own copy: it would be taken for the module's.
func (c *cell) event(e results.Event) {
	if !c.counterpart {
		c.run.h.event(e)
	}
}
