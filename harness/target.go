package harness

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"errors"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// maxFetches is how many kernels are downloaded and unpacked at once: enough to keep the line busy while one unpacks. There are no
// more than what is built at once: those that are in the store then reach the compiler in their order.
const maxFetches = 2

// inLine takes t's place among the kernels to be fetched.
func (r *run) inLine(t kernels.Target) *waiter { return r.net.line(r.order.target(Label(t))) }

// target takes one kernel through fetch and build, and then all suites on it through their cells.
func (r *run) target(ctx context.Context, t kernels.Target, place *waiter) {
	began := time.Now()
	label := Label(t)
	tree, err := r.fetch(ctx, t, place)
	if wasInterrupted(ctx, err) {
		return // finish records its cells as interrupted
	}
	lacking := ""
	if err == nil {
		lacking, err = r.lacks(tree)
	}
	var fw []firmware
	if err == nil && lacking == "" && !isHere(t) {
		fw, err = r.firmware(ctx, tree)
	}
	if err != nil {
		r.judgeAll(label, judge.Evidence{Trouble: r.infra(results.StageFetch, err)})
		return
	}
	fetched := time.Since(began)
	about := About(t)
	about.ConfigDigest, about.Compiler = tree.Config.Digest(), tree.Root.Compiler
	r.records.know(label, about)
	if lacking != "" {
		r.judgeAll(label, judge.Evidence{Lacking: lacking})
		return
	}
	r.cells(ctx, tree, about, fw, fetched)
}

// cells builds the module for tree and runs what is to do on it. Meanwhile the kernel boots, if it never did.
func (r *run) cells(ctx context.Context, tree *kernels.Tree, about results.Target, fw []firmware, fetched time.Duration) {
	var wg sync.WaitGroup
	defer wg.Wait() // nothing of a target outlives it, least of all a template that nobody needs any more
	todo := r.records.todo(Label(tree.Target))
	if slices.ContainsFunc(todo, Suite.static) {
		wg.Go(func() { r.checkCell(ctx, tree, about) })
	}
	if todo = slices.DeleteFunc(todo, Suite.static); len(todo) == 0 {
		return
	}
	freezing, unneeded := context.WithCancel(ctx)
	compiling, compiled := make(chan struct{}), make(chan struct{})
	defer unneeded()
	if !r.plan.Spec.BuildOnly && !isHere(tree.Target) {
		wg.Go(func() { // boots while the compiler runs, and keeps a clone ready if that still helps
			t := r.pool.template(freezing, tree)
			if underway(compiling, compiled) {
				r.pool.restoreAhead(freezing, r.pool.verified(freezing, tree, t))
			}
		})
	}
	built := r.builder.build(ctx, tree, sync.OnceFunc(func() { close(compiling) }))
	close(compiled)
	built.firmware = fw
	r.records.learn(built.Modules)
	var own *counterpart
	if !isHere(tree.Target) {
		own = r.builder.counterpart(ctx, tree, &built)
	}
	if len(built.Modules) == 0 && own == nil {
		unneeded()
	}
	var running sync.WaitGroup
	roomy := r.roomy(tree, &about, &built)
	if roomy != tree {
		unneeded()
	}
	for _, s := range todo {
		running.Go(func() {
			c := results.Cell{Target: Label(tree.Target), Suite: s.Name}
			r.records.record(c, r.both(ctx, cell{run: r, tree: roomy, about: about, suite: s.Name, built: built}, own, fetched))
			r.judged(c)
		})
	}
	running.Wait()
	r.release(tree)
	r.release(roomy)
}

// roomy is tree with guests that have the memory for what was built, and says so in about and in b's notes.
func (r *run) roomy(tree *kernels.Tree, about *results.Target, b *built) *kernels.Tree {
	more := r.moreMiB(b, tree.Target)
	if more == 0 {
		return tree
	}
	roomy := *tree
	roomy.Target.MoreMiB += more
	about.MoreMiB = roomy.Target.MoreMiB
	r.records.know(Label(tree.Target), *about)
	b.Notes = append(b.Notes, fmt.Sprintf("guests have %d MiB, since a module, a suite or firmware is large (guest.memory_mib says how much a guest has at least)", guestMiB(r.plan.Spec, roomy.Target)))
	return &roomy
}

// both runs c and, where there is one, the kernel's own copy of the module beside it, and returns the record of c.
func (r *run) both(ctx context.Context, c cell, own *counterpart, fetched time.Duration) results.Record {
	beside := make(chan *results.InTreeRun, 1)
	go func() {
		if own == nil {
			beside <- nil
			return
		}
		copied := c
		copied.built, copied.counterpart = own.built, true
		beside <- &results.InTreeRun{Modules: own.names, Record: copied.life(ctx)}
	}()
	rec := c.life(ctx)
	if !rec.Cached {
		rec.Timings.Fetch = fetched.Milliseconds()
		rec.Timings.Total += rec.Timings.Fetch
	}
	rec.InTreeRun = <-beside
	return rec
}

// underway waits until something has begun or is over, and reports whether it is under way.
func underway(begun, over <-chan struct{}) bool {
	select {
	case <-begun:
	case <-over:
	}
	select {
	case <-over:
		return false
	default:
		return true
	}
}

func (r *run) fetch(ctx context.Context, t kernels.Target, place *waiter) (*kernels.Tree, error) {
	source, _ := t.Origin()
	if err := r.net.wait(ctx, place); err != nil {
		return nil, err
	}
	defer r.net.release()
	ev := results.Event{Kind: results.EventStage, Target: Label(t), Stage: results.StageFetch}
	r.h.stage(ev, results.StateStart, "", 0)
	began := time.Now()
	progress := func(p kernels.Progress) {
		e := ev
		e.State, e.Text, e.Done, e.Total, e.Unit = results.StateProgress, p.What, p.Done, p.Total, p.Unit
		r.h.event(e)
	}
	tree, err := r.h.sources(r.plan.Spec)[source].Fetch(ctx, t, progress)
	if err == nil {
		tree, err = r.builder.addPackages(ctx, tree, progress)
	}
	if err != nil {
		r.h.stage(ev, results.StateFailed, err.Error(), time.Since(began))
		return nil, err
	}
	tree.KeepModules()
	r.h.stage(ev, results.StateDone, "", time.Since(began))
	return tree, nil
}

func (r *run) release(tree *kernels.Tree) {
	r.pool.release(tree)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range []cell{{}, {counterpart: true}} {
		delete(r.sharing, Label(tree.Target)+c.mark())
	}
}

// judgeAll records every cell of a target by what is known of all of them.
func (r *run) judgeAll(label string, e judge.Evidence) {
	for _, s := range r.records.todo(label) {
		r.records.record(results.Cell{Target: label, Suite: s.Name}, r.h.judge(e))
	}
}

// About is what a record says of a kernel before its tree is there.
func About(t kernels.Target) results.Target {
	return results.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour, Profile: t.Profile, Source: t.Source, MoreMiB: t.MoreMiB}
}

// Fetch resolves spec's kernels and obtains them all, with events on its progress. What was obtained is returned with an error, too.
func (h *Harness) Fetch(ctx context.Context, spec Spec) (got []kernels.Target, err error) {
	p := &Plan{Spec: spec.WithDefaults(), Suites: []Suite{{Name: Lifecycle}}}
	if err := h.Resolve(ctx, p); err != nil {
		return nil, err
	}
	for _, n := range p.Notices {
		h.Notice(n)
	}
	h.event(results.Event{Kind: results.EventPlan, Cells: p.Cells()})
	p.Spec.BuildOnly, p.Spec.Module = true, "."
	r, err := h.prepare(ctx, p)
	if err != nil {
		return nil, err
	}
	defer r.cleanUp()
	failed := make([]error, len(p.Targets))
	var wg sync.WaitGroup
	for i, t := range p.Targets {
		wg.Go(func() { _, failed[i] = r.fetch(ctx, t, r.inLine(t)) })
	}
	wg.Wait()
	var errs []error
	for _, u := range p.Unresolved {
		errs = append(errs, errors.New(u.Reason))
	}
	for i, t := range p.Targets {
		if failed[i] == nil {
			got = append(got, t)
		} else {
			errs = append(errs, fmt.Errorf("%s: %w", Label(t), failed[i]))
		}
	}
	return got, errors.Join(errs...)
}

// Stored reports whether a kernel of an archive is in store. One that is compiled here is not known before that.
func Stored(st *store.Store, t kernels.Target) bool {
	if source, _ := t.Origin(); source != "debian" {
		return false
	}
	_, hit := st.Look("trees", debian.TreeID(t))
	return hit
}
