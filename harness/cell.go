package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// cell is one target with one suite, under way.
type cell struct {
	*run
	tree  *kernels.Tree
	about results.Target
	suite string
	built built
	dir   string // of its artifacts
	try   int    // the how-manieth guest of this cell it is, from 1

	counterpart bool // built is the kernel's own copy, in the place of the module under test

	took     time.Duration // of the guest, without the wait for a free processor
	restored time.Duration // until a clone said hello; zero for a guest that was booted
	only     []string      // names of the specs to run; nil: all
	given    given         // the kernel's own modules that it asked for
	tally    *tally        // of the specs of all guests of the cell; nil where there is one
}

// judge takes the cell through its guest, or finds what came of the same cell before, and gives its record, with the
// artifacts written.
func (c *cell) judge(ctx context.Context) results.Record {
	c.dir = c.folder()
	f := c.frozen(ctx)
	key := c.cacheKey(f)
	if rec, ok := c.recall(key); ok {
		return rec
	}
	if whole := c.sound(ctx, c.tree, f); whole != f {
		f, key = whole, c.cacheKey(whole)
	}
	came := c.attempt(ctx, f)
	rec := came.rec
	artifacts, err := c.out.keep(c.dir, c.built.log, came.log, suiteOutput(came.guest), rec.Specs)
	if err != nil { // what cannot be shown is no verdict
		c.written(err)
		rec = c.run.judge(judge.Evidence{Trouble: &judge.Blame{Stage: results.StageShutdown, Code: results.CodeInfra, Reason: "its artifacts could not be kept: " + err.Error()}})
	}
	rec.Artifacts = artifacts
	c.remember(ctx, key, rec, came.guest)
	return rec
}

// attempt is what came of one guest.
type attempt struct {
	rec   results.Record
	log   []byte
	guest *judge.Guest
}

func (c *cell) attempt(ctx context.Context, f *frozen) attempt {
	if c.plan.Spec.Isolate == IsolateSpec && c.only == nil && f != nil && f.err == nil && f.failed == nil {
		return c.bySpec(ctx, f)
	}
	return c.judged(ctx, f)
}

// judgedOnce runs one guest and gives the verdict on what it told.
func (c *cell) judgedOnce(ctx context.Context, f *frozen) attempt {
	c.restored = 0
	e, log := c.evidence(ctx, f)
	if wasInterrupted(ctx, ctx.Err()) && (e.Guest == nil || !e.Guest.End) {
		e.Interrupted = true
	}
	rec := c.run.judge(e)
	rec.InTree = c.built.inTree
	c.time(&rec)
	return attempt{rec, log, e.Guest}
}

// time fills in what the host measured.
func (c *cell) time(rec *results.Record) {
	if c.restored > 0 {
		rec.Timings.Boot, rec.Timings.Restore = 0, c.restored.Milliseconds()
	}
	rec.Timings.Total = c.took.Milliseconds()
	if !c.built.cached {
		rec.Timings.Build = c.built.elapsed.Milliseconds()
		rec.Timings.Total += rec.Timings.Build
	}
}

// frozen is the template that the cell's guest is cloned from; nil where no guest will be started.
func (c *cell) frozen(ctx context.Context) *frozen {
	if c.plan.Spec.BuildOnly || c.built.deferred != "" || len(c.built.Modules) == 0 {
		return nil
	}
	return c.template(ctx, c.tree)
}

// evidence gathers all there is to know, and the console log where there was a guest.
func (c *cell) evidence(ctx context.Context, f *frozen) (judge.Evidence, []byte) {
	e := judge.Evidence{Excluded: c.built.excluded, Deferred: c.built.deferred, Notes: c.built.Notes, Want: c.tree.Target.Release, BuildOnly: c.plan.Spec.BuildOnly, Build: c.built.fault, Trouble: c.built.trouble,
		Built: len(c.built.Modules) > 0, Modules: len(c.built.Modules)}
	switch {
	case f == nil:
		return e, nil
	case f.err != nil:
		e.Trouble = c.ours(results.StageBoot, f.err)
		return e, nil
	case f.failed != nil:
		e.Guest, e.End, e.Tail = f.failed.Guest, f.failed.End, f.failed.Tail
		return e, f.console
	}
	t, round, err := c.tell(ctx, f)
	if err != nil {
		e.Trouble = c.ours(results.StageBoot, err)
	}
	if t.rounds == nil {
		return e, nil // there never was a guest
	}
	c.took, c.restored = t.took, t.restored
	e.Observe(judge.Observation{Rounds: t.rounds, Round: round, End: t.end, Log: t.log, Before: t.before, Cut: t.cut, Modules: moduleNamesOf(c.built.Modules)})
	c.addPlaces(&e)
	c.disown(&e)
	c.hearNoise(ctx, f, &e, t)
	return e, t.log
}

// tell gives what the guest of this cell told, and which of its rounds is the cell's.
func (c *cell) tell(ctx context.Context, f *frozen) (told, int, error) {
	if c.plan.Spec.Isolate == IsolateNone {
		if t, round, ok := c.together(ctx, f); ok {
			if t.rounds.Through(round) {
				return t, round, nil // what broke later is not this round's
			}
			return t, round, t.err
		}
	}
	t, err := c.inTurn(ctx, f, errand{suites: []string{c.suite}, only: c.only})
	return t, 0, err
}

// inTurn does an errand as soon as a processor is free for it. What was told is the zero value where that never was.
func (c *cell) inTurn(ctx context.Context, f *frozen, v errand) (told, error) {
	key := durationKey(c.plan, results.Cell{Target: Label(c.tree.Target), Suite: c.suite + c.mark()})
	if err := c.cpu.acquire(ctx, c.times.of(key)); err != nil {
		return told{}, nil
	}
	defer c.cpu.release()
	began := time.Now()
	t, err := c.do(ctx, f, v)
	t.took = time.Since(began)
	if len(v.suites) == 1 && c.only == nil {
		c.times.note(key, t.took)
	}
	return t, err
}

func specsJSON(specs []results.Spec) ([]byte, error) {
	data, err := json.MarshalIndent(specs, "", "\t")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = results.PlainJSON(&b).Write(data)
	return b.Bytes(), err
}
