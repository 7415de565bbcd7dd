package harness

import (
	"context"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// maxFetches is how many kernels are downloaded and unpacked at once: enough to keep the line busy while one unpacks.
const maxFetches = 2

// target takes one kernel through fetch and build, and then all suites on it.
func (r *run) target(ctx context.Context, t kernels.Target) {
	began := time.Now()
	tree, err := r.fetch(ctx, t)
	if wasInterrupted(ctx, err) {
		return // finish records its cells as interrupted
	}
	lacking := ""
	if err == nil {
		lacking, err = r.lacks(tree)
	}
	if err != nil {
		r.blame(Label(t), *r.ours(results.StageFetch, err))
		return
	}
	fetched := time.Since(began)
	about := aboutTarget(t)
	about.ConfigDigest, about.Compiler = tree.Config.Digest(), tree.Root.Compiler
	r.know(Label(t), about)
	if lacking != "" {
		r.judgeAll(Label(t), judge.Evidence{Lacking: lacking})
		return
	}
	r.validate(ctx, tree, about, fetched)
}

// validate builds the module for tree and runs what is to do on it. Meanwhile the kernel boots, if it never did.
func (r *run) validate(ctx context.Context, tree *kernels.Tree, about results.Target, fetched time.Duration) {
	var wg sync.WaitGroup
	defer wg.Wait() // nothing of a target outlives it, least of all a template that nobody needs any more
	freezing, thaw := context.WithCancel(ctx)
	compiling, compiled := make(chan struct{}), make(chan struct{})
	defer thaw()
	if !r.plan.Spec.BuildOnly {
		wg.Go(func() { // boots while the compiler runs, and leaves a clone standing by if that still helps
			f := r.template(freezing, tree)
			if under(compiling, compiled) {
				r.restoreAhead(freezing, r.sound(freezing, tree, f))
			}
		})
	}
	built := r.build(ctx, tree, sync.OnceFunc(func() { close(compiling) }))
	close(compiled)
	theirs := r.counterpart(ctx, tree, &built)
	if len(built.Modules) == 0 && theirs == nil {
		thaw()
	}
	for _, s := range r.todo(Label(tree.Target)) {
		wg.Go(func() {
			id := results.Cell{Target: Label(tree.Target), Suite: s.Name}
			beside := make(chan *results.InTreeRun, 1)
			go func() { beside <- r.compare(ctx, tree, about, s.Name, theirs) }()
			rec := r.attempts(ctx, id, func(ctx context.Context, n int) results.Record {
				c := cell{run: r, tree: tree, about: about, suite: s.Name, built: built, try: n}
				return c.judge(ctx)
			})
			if !rec.Cached {
				rec.Timings.Fetch = fetched.Milliseconds()
				rec.Timings.Total += rec.Timings.Fetch
			}
			rec.InTreeRun = <-beside
			r.record(id, rec)
		})
	}
	wg.Wait()
	r.dismiss(tree)
}

// under waits until something has begun or is over, and says whether it is under way.
func under(begun, over <-chan struct{}) bool {
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

func (r *run) fetch(ctx context.Context, t kernels.Target) (*kernels.Tree, error) {
	source, _ := t.Origin()
	if err := r.net.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer r.net.Release(1)
	ev := results.Event{Kind: results.EventStage, Target: Label(t), Stage: results.StageFetch}
	r.stage(ev, results.StateStart, "", 0)
	began := time.Now()
	tell := func(p kernels.Progress) {
		e := ev
		e.State, e.Text, e.Done, e.Total, e.Unit = results.StateProgress, p.What, p.Done, p.Total, p.Unit
		r.event(e)
	}
	tree, err := r.sources(r.plan.Spec)[source].Fetch(ctx, t, tell)
	if err == nil {
		tree, err = r.furnish(ctx, tree, tell)
	}
	if err != nil {
		r.stage(ev, results.StateFailed, err.Error(), time.Since(began))
		return nil, err
	}
	tree.KeepModules()
	r.stage(ev, results.StateDone, "", time.Since(began))
	return tree, nil
}

// ahead is how long a target has to go from its build on.
func (r *run) ahead(label string) time.Duration {
	all := r.times.of(durationKey(r.plan, results.Cell{Target: label, Suite: ""}))
	for _, s := range r.plan.Suites {
		all += r.times.of(durationKey(r.plan, results.Cell{Target: label, Suite: s.Name}))
	}
	return all
}

// blame records every cell of a target that did not come as far as its cells.
func (r *run) blame(label string, b judge.Blame) { r.judgeAll(label, judge.Evidence{Trouble: &b}) }

// judgeAll records every cell of a target by what is known of all of them.
func (r *run) judgeAll(label string, e judge.Evidence) {
	for _, s := range r.todo(label) {
		r.record(results.Cell{Target: label, Suite: s.Name}, r.judge(e))
	}
}

func aboutTarget(t kernels.Target) results.Target {
	return results.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour, Profile: t.Profile, Source: t.Source, MoreMiB: t.MoreMiB}
}
