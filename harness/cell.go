package harness

import (
	"context"
	"encoding/json"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
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

	took     time.Duration // of the guest, without the wait for a free processor
	restored time.Duration // until a clone said hello; zero for a guest that was booted

	interactive bool // give a shell instead of running a suite
}

// judge takes the cell through its guest, or finds what came of the same cell before, and gives its record, with the
// artifacts written.
func (c *cell) judge(ctx context.Context) results.Record {
	c.dir = c.out.cell(c.about, c.suite, c.try)
	f := c.frozen(ctx)
	key := c.cacheKey(f)
	if rec, ok := c.recall(key); ok {
		return rec
	}
	came := c.attempt(ctx, f)
	rec := came.rec
	artifacts, err := c.out.keep(c.dir, c.built.log, came.log, suiteOutput(came.guest), rec.Specs)
	if err != nil {
		rec.Notes = append(rec.Notes, "artifacts: "+err.Error())
	}
	rec.Artifacts = artifacts
	c.remember(ctx, key, rec, came.guest)
	return rec
}

// attempt is what came of one guest.
type attempt struct {
	rec   results.Record
	log   []byte
	guest *Guest
}

func (c *cell) attempt(ctx context.Context, f *frozen) attempt {
	c.restored = 0
	e, log := c.evidence(ctx, f)
	if wasInterrupted(ctx, ctx.Err()) && (e.Guest == nil || !e.Guest.End) {
		e.Interrupted = true
	}
	rec := Judge(e)
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
	if c.plan.Spec.BuildOnly || len(c.built.modules) == 0 {
		return nil
	}
	return c.template(ctx, c.tree)
}

// evidence gathers all there is to know, and the console log where there was a guest.
func (c *cell) evidence(ctx context.Context, f *frozen) (Evidence, []byte) {
	e := Evidence{Want: c.tree.Target.Release, BuildOnly: c.plan.Spec.BuildOnly, Build: c.built.fault, Trouble: c.built.trouble,
		Built: len(c.built.modules) > 0, Modules: len(c.built.modules)}
	if f == nil {
		return e, nil
	}
	key := durationKey(c.plan.Module, Cell{Label(c.tree.Target), c.suite})
	if err := c.cpu.acquire(ctx, c.times.of(key)); err != nil {
		return e, nil
	}
	defer c.cpu.release()
	defer func(began time.Time) {
		c.took = time.Since(began)
		c.times.note(key, c.took)
	}(time.Now())
	log, err := c.boot(ctx, f, &e)
	if err != nil {
		e.Trouble = &Blame{results.StageBoot, results.CodeInfra, err.Error()}
	}
	return e, log
}

// readConsole finds the faults in the kernel log and puts them where they struck.
func (c *cell) readConsole(e *Evidence, text []byte, cut bool) {
	line := readMarkers(text, e.Guest.Nonce, e.Guest.Started)
	for _, s := range console.Scan(text) {
		stage, spec := line.at(s.Start)
		e.Splats = append(e.Splats, Splat{s, stage, spec})
	}
	if _, bad := refused(e.Guest.Loads); bad {
		e.LoadWords = console.Reason(line.during(text, results.StageLoad), c.built.modules[0].Name)
	}
	e.Tail = tail(text, 4<<10)
	loss := console.Lost(text)
	e.Incomplete = cut || !loss.Complete()
}

func specsJSON(specs []results.Spec) ([]byte, error) { return json.MarshalIndent(specs, "", "\t") }
