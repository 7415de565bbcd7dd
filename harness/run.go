package harness

import (
	"context"
	"errors"
	"sync"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

type run struct {
	h       *Harness
	plan    *Plan
	work    string // private to this run
	cleanUp func() // removes work
	cpu     *slots
	times   *durations
	order   *order
	net     *slots // downloads
	pool    *pool
	builder *builder
	here    *machineHere
	suites  map[suiteOn]compiled
	records *records
	own     handover
	full    sync.Once // the user knows of a full disk

	mu      sync.Mutex
	sharing map[string]*shared // by label, where suites share a guest
}

// Run carries a plan out and writes everything below Spec.Out. Every planned cell has a record in what it returns, and
// in results.json. When ctx ends first, the cells that were not through are MISS and ctx's error is returned with the
// results so far. A *UsageError means that nothing was run and nothing was written. With Spec.Resume, what an earlier run
// judged is kept, and only the rest is run; with Spec.New, what it recorded on kernels that are what they were.
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
	r.records.stop = stop
	r.records.begin()
	for _, n := range p.Notices {
		h.Notice(n)
	}
	var wg sync.WaitGroup
	for _, t := range r.order.sorted() {
		if len(r.records.todo(Label(t))) > 0 {
			place := r.inLine(t)
			wg.Go(func() { r.target(ctx, t, place) })
		}
	}
	for _, u := range p.Unresolved {
		r.judgeAll(u.Label(), judge.Evidence{Trouble: &judge.Blame{Stage: results.StageFetch, Code: results.CodeInfra, Reason: u.Reason}})
	}
	wg.Wait()
	r.times.save()
	r.order.failed.save()
	r.trim()
	return r.records.finish(ctx)
}

// begin does all that can go wrong before anything is run.
func (h *Harness) begin(ctx context.Context, p *Plan) (_ *run, err error) {
	if err := p.agreed(); err != nil {
		return nil, err
	}
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
	r.records.suites = r.suites
	if err := r.records.readSince(); err != nil {
		return nil, err
	}
	if err := r.records.open(); err != nil {
		return nil, err
	}
	if err := r.readCrashes(); err != nil {
		return nil, errors.Join(err, r.records.out.close())
	}
	return r, nil
}

// prepare returns a run that can fetch, build and boot. Its cleanUp must be called.
func (h *Harness) prepare(ctx context.Context, p *Plan) (*run, error) {
	var err error
	n := jobs(p.Spec, p.Targets...)
	times := openDurations(h.store.Dir())
	order := newOrder(h.store.Dir(), p, times)
	r := &run{h: h, plan: p, times: times, order: order, cpu: newSlots(n), net: newSlots(min(maxFetches, n)), records: newRecords(h, p, order, n), sharing: map[string]*shared{}, here: newMachineHere()}
	if !p.Spec.BuildOnly && p.guests() {
		if r.records.qemus, err = lookForEmulators(ctx, p.guestArchs()); err != nil {
			return nil, &UsageError{err}
		}
		if err = tryDevices(ctx, p.Spec, r.records.qemus); err != nil {
			return nil, err
		}
		if r.own, err = h.takeDevices(ctx, p.Spec, r.records.qemus.present()); err != nil {
			return nil, err
		}
	}
	if r.work, r.cleanUp, err = h.store.WorkDir(); err != nil {
		h.giveBack(r.own)
		return nil, err
	}
	removeWork := r.cleanUp
	r.cleanUp = func() { h.giveBack(r.own); removeWork() }
	r.builder = &builder{h: h, plan: p, work: r.work, cpu: r.cpu, times: r.times, order: r.order, infra: r.infra}
	if r.pool, err = newPool(ctx, h, p.Spec, r.work, r.records.qemus, r.cpu, r.records.settle); err != nil {
		r.cleanUp()
		return nil, err
	}
	r.pool.own = r.own
	r.pool.turn = r.order.target
	return r, nil
}

// trim keeps the store below its limit. That it could not is worth a notice and no more.
func (r *run) trim() {
	limit, err := store.Max()
	if err == nil {
		_, err = r.h.store.Trim(limit)
	}
	r.h.cacheTrouble(err)
}

// wasInterrupted distinguishes an end that the user asked for from one that happened by itself.
func wasInterrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err()))
}

// infra is what an infrastructure error means for a cell. A full disk is also a notice: all later cells are likely to meet it.
func (r *run) infra(stage results.Stage, err error) *judge.Blame {
	err = r.h.store.WithCure(err, "")
	if store.IsFull(err) {
		r.full.Do(func() { r.h.Notice(err.Error()) })
	}
	return &judge.Blame{Stage: stage, Code: results.CodeInfra, Reason: err.Error()}
}
