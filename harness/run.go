package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"

	"golang.org/x/sync/semaphore"

	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// run is one Run under way.
type run struct {
	*Harness
	plan    *Plan
	work    string // private to this run
	cleanUp func() // removes work
	out     *output
	suites  map[string]compiled // by name
	cpu     *slots
	times   *durations
	jobs    int
	net     *semaphore.Weighted
	id      string
	started time.Time
	qemu    string
	pool    *pool
	builder *builder
	stop    context.CancelCauseFunc // ends the run for an infrastructure error
	full    sync.Once               // the user knows of a full disk

	mu      sync.Mutex
	done    map[results.Cell]bool           // planned, and judged: the record is in the journal, and nowhere else until the end
	others  []results.Cell                  // whose records of an earlier run are kept, though the plan does not ask for them
	rests   []results.Fact                  // what those rest on
	earlier map[results.Cell]results.Record // all that are kept of an earlier run, until they are told
	targets map[string]results.Target       // by label, as far as they are known
	sharing map[string]*shared              // by label, where suites share a guest
	verdict vm.Verdict
	module  results.Module

	expected map[results.Cell]time.Duration // by earlier runs
	toGo     time.Duration                  // the sum of expected over the cells without a record
}

// Run carries a plan out and writes everything below Spec.Out. Every planned cell has a record in what it returns, and
// in results.json. When ctx ends first, the cells that were not through are MISS and ctx's error is returned with the
// results so far. A *UsageError means that nothing was run and nothing was written. With Spec.Resume, what an earlier run
// judged is taken over, and only the rest is run; with Spec.New, what it recorded on kernels that are what they were.
//
// However many cells are finished, memory does not grow while guests run: a finished cell is in the journal, and is read back
// when all are through, since what Run returns, and the matrix that shows it, are of all cells.
func (h *Harness) Run(ctx context.Context, p *Plan) (*results.Results, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r, err := h.begin(ctx, p)
	if err != nil {
		return nil, err
	}
	defer r.cleanUp()
	r.stop = stop
	r.expect()
	h.event(results.Event{Kind: results.EventPlan, Cells: p.Cells(), Text: p.Module.Name, Left: r.left()})
	for _, n := range p.Notices {
		h.notice(n)
	}
	for _, t := range p.Targets {
		r.know(Label(t), About(t))
	}
	for _, u := range p.Unresolved {
		r.know(u.Label(), results.Target{Release: u.Label(), Version: u.Version, Source: u.Selector})
	}
	r.tellTakenUp()
	var wg sync.WaitGroup
	for _, t := range p.Targets {
		if len(r.todo(Label(t))) > 0 {
			wg.Go(func() { r.target(ctx, t) })
		}
	}
	for _, u := range p.Unresolved {
		r.judgeAll(u.Label(), judge.Evidence{Trouble: &judge.Blame{Stage: results.StageFetch, Code: results.CodeInfra, Reason: u.Reason}})
	}
	wg.Wait()
	r.times.save()
	r.trim()
	return r.finish(ctx)
}

// begin does all that can go wrong before anything is run.
func (h *Harness) begin(ctx context.Context, p *Plan) (_ *run, err error) {
	r, err := h.prepare(ctx, p)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.cleanUp()
		}
	}()
	if !p.Spec.BuildOnly {
		if err := r.compileSuites(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// prepare gives a run that can fetch, build and boot. Its cleanUp must be called.
func (h *Harness) prepare(ctx context.Context, p *Plan) (*run, error) {
	var err error
	n := jobs(p.Spec, p.Targets...)
	r := &run{Harness: h, plan: p, id: rand.Text(), started: time.Now(), module: p.Module,
		done: make(map[results.Cell]bool, len(p.Cells())), earlier: map[results.Cell]results.Record{}, targets: map[string]results.Target{}, sharing: map[string]*shared{}, expected: map[results.Cell]time.Duration{},
		times: openDurations(h.store.Dir()), jobs: n, cpu: newSlots(n), net: semaphore.NewWeighted(maxFetches)}
	if !p.Spec.BuildOnly {
		if r.qemu, err = vm.QEMUVersion(ctx, vm.HostArch()); err != nil {
			return nil, &UsageError{err}
		}
		if err = tryDevices(ctx, p.Spec); err != nil {
			return nil, err
		}
	}
	if r.work, r.cleanUp, err = h.store.WorkDir(); err != nil {
		return nil, err
	}
	r.builder = &builder{h: h, plan: p, work: r.work, cpu: r.cpu, times: r.times, infra: r.infra}
	if r.pool, err = newPool(ctx, h, p.Spec, r.work, r.qemu, r.cpu, r.settle); err != nil {
		r.cleanUp()
		return nil, err
	}
	r.pool.ahead = func(label string) time.Duration { return r.times.rest(p, label) }
	return r, nil
}

// trim keeps the store below its limit. That it could not is worth telling and no more.
func (r *run) trim() {
	limit, err := store.Max()
	if err == nil {
		_, err = r.store.Trim(limit)
	}
	if err != nil {
		r.notice("the cache: " + err.Error())
	}
}

// know notes what a row of the matrix is about.
func (r *run) know(label string, about results.Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.targets[label] = about
}

// record writes down what came of a cell. What could not be written down is not known: the run ends, and the cell is MISS.
func (r *run) record(c results.Cell, rec results.Record) {
	r.mu.Lock()
	rec = missingIsError(rec, r.plan.required[c.Target])
	rec = placed(rec, c.Suite, r.targets[c.Target])
	r.mu.Unlock()
	if err := r.out.log.Append(rec); err != nil {
		r.written(err)
		return
	}
	r.mu.Lock()
	r.done[c] = true
	r.toGo -= r.expected[c]
	r.mu.Unlock()
	r.event(results.Event{Kind: results.EventRecord, Target: c.Target, Suite: c.Suite, Record: &rec, Left: r.left()})
}

// expect foretells each cell by what it took before.
func (r *run) expect() {
	for _, c := range r.plan.Cells() {
		if r.done[c] {
			continue
		}
		r.expected[c] = r.times.of(durationKey(r.plan, c))
		r.toGo += r.expected[c]
	}
}

// left is how long the cells without a record will take, if they take what they took before.
func (r *run) left() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.toGo / time.Duration(r.jobs)
}

// finish accounts for every planned cell and writes the results.
func (r *run) finish(ctx context.Context) (*results.Results, error) {
	res := &results.Results{Schema: results.Schema, Run: r.about(), Module: r.module}
	var err error
	if res.Records, err = r.records(ctx); err != nil {
		return nil, errors.Join(err, r.out.log.Close())
	}
	if !r.plan.part {
		r.HoldClaims(r.plan, res)
	}
	res.Finish()
	if err = r.out.write(res, ctx.Err() == nil); err == nil {
		r.event(results.Event{Kind: results.EventFinished, Results: res})
	}
	if cause := context.Cause(ctx); cause != nil {
		return res, cause
	}
	return res, r.out.trouble(err, 0)
}

// records reads back from the journal what came of all planned cells, and then of those that are kept besides. A cell without
// a record is MISS.
func (r *run) records(ctx context.Context) ([]results.Record, error) {
	log, err := r.out.log.Log()
	if err != nil {
		return nil, err
	}
	place := map[results.Cell]int{}
	for i, rec := range log.Records {
		place[results.Cell{Target: rec.Target.Label(), Suite: rec.Suite}] = i
	}
	var all []results.Record
	for _, c := range r.plan.Cells() {
		rec := r.judge(judge.Evidence{Interrupted: ctx.Err() != nil})
		if i, ok := place[c]; ok && r.done[c] {
			rec = log.Records[i]
		}
		all = append(all, placed(rec, c.Suite, r.targets[c.Target])) // every cell of a row says the same of it, whenever it was recorded
	}
	for _, c := range r.others {
		if i, ok := place[c]; ok {
			all = append(all, log.Records[i])
		}
	}
	return all, nil
}

// wasInterrupted tells an end that the user asked for from one that came about by itself.
func wasInterrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err()))
}
