// Package bisect finds the first kernel on which a module fails, among all that an archive still holds between one on which it
// works and one on which it does not.
//
// It is a client of runs: each kernel that it tests is one Run of the harness, with everything cached that can be. This package
// must never know how a kernel is obtained, built against or booted.
package bisect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/explain"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// Search says what to bisect. It is plain data but for Report.
type Search struct {
	Spec   harness.Spec       // the module and how it is run; of Kernels, the oldest and the newest are the ends where nothing else names them
	Good   *kernels.Selector  // of one kernel on which it works; nil: as the last run in Spec.Out says, else the oldest of Kernels
	Bad    *kernels.Selector  // likewise, where it fails; else the newest
	Report func(results.Step) // called with each test that ended; may be nil
}

// ErrUntestable says that an end cannot be tested, so that there is nothing to search between (exit code 125, as for git bisect).
var ErrUntestable = errors.New("cannot be tested")

type lister interface {
	Releases(ctx context.Context, flavour string) (kernels.Resolution, error)
}

// dir is the folder below Spec.Out with the results of each kernel that was tested.
const dir = "bisect"

type search struct {
	Search
	h     *harness.Harness
	plan  *harness.Plan // of the module, without a kernel
	build bool          // no guest is needed: the module fails before
	steps []results.Step
	whole results.Results // of all kernels that were tested
}

// Find searches with h. Where the bad end fails at its build, nothing is booted. Its error is a *harness.UsageError where the ends
// are none, one that wraps harness.ErrNothingMatched where nothing fails, or everything, and one that wraps ErrUntestable where
// an end cannot be tested.
func Find(ctx context.Context, h *harness.Harness, s Search) (*results.Bisection, error) {
	plan, err := h.PlanModule(ctx, s.Spec)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	b := &search{Search: s, h: h, plan: plan}
	good, bad, err := b.ends(ctx)
	if err != nil {
		return nil, err
	}
	r, err := b.list(ctx, good, bad)
	if err != nil {
		return nil, err
	}
	for i, ok := r.next(); ok; i, ok = r.next() {
		p, err := b.test(ctx, r.points[i])
		if err != nil {
			return nil, err
		}
		r.note(i, p)
		p.ToGo = r.toGo()
		r.points[i] = p
		b.report(p.Step)
	}
	if err := b.write(good, bad); err != nil {
		return nil, err
	}
	return b.answer(ctx, r), nil
}

// lister is the source of both ends, if it is one that can list what lies between them.
func (b *search) lister(good, bad kernels.Target) (lister, error) {
	source, _ := bad.Origin()
	other, _ := good.Origin()
	l, ok := b.h.Sources(b.Spec)[source].(lister)
	switch {
	case !ok || source != other:
		return nil, usage("bisect goes through the releases of an archive, from %s (%s) to %s (%s); name two of debian, such as debian:bookworm", harness.Label(good), good.Source, harness.Label(bad), bad.Source)
	case good.Flavour != bad.Flavour:
		return nil, usage("%s is of flavour %s, and %s of %s: name two of one flavour", harness.Label(good), good.Flavour, harness.Label(bad), bad.Flavour)
	}
	return l, nil
}

func (b *search) list(ctx context.Context, good, bad point) (*row, error) {
	l, err := b.lister(good.target, bad.target)
	if err != nil {
		return nil, err
	}
	res, err := l.Releases(ctx, bad.target.Flavour)
	if err != nil {
		return nil, err
	}
	r := rowBetween(res, good, bad)
	for _, t := range res.Targets { // the ends of an earlier run are known by name alone
		for _, end := range []*point{&r.points[0], &r.points[r.bad]} {
			if len(end.target.Packages) == 0 && end.Release == harness.Label(t) {
				*end = end.at(t)
			}
		}
	}
	return r, nil
}

// test runs the module on one kernel. An error says that the run could not begin, or that the user ended it.
func (b *search) test(ctx context.Context, p point) (point, error) {
	plan := b.plan.Only(p.target)
	folder := harness.FileName(p.Release)
	plan.Spec.Out = filepath.Join(b.Spec.Out, dir, folder)
	plan.Spec.BuildOnly, plan.Spec.Resume = b.build || b.Spec.BuildOnly, false
	plan.Spec.CompareInTree = false // the kernel's own copy is not what is asked about
	began := time.Now()
	res, err := b.h.Run(ctx, plan)
	if err != nil {
		return p, err
	}
	b.add(res, folder)
	p.judge(res.Records)
	p.Results, p.Elapsed = plan.Spec.Out, time.Since(began)
	if b.plan.Module.Version == "" {
		b.plan.Module.Name, b.plan.Module.Version = res.Module.Name, res.Module.Version
	}
	return p, nil
}

// judge sets what the records of one kernel show: bad where one of them failed, good where all passed.
func (p *point) judge(records []results.Record) {
	worst := records[0]
	for _, rec := range records[1:] {
		if rec.Status != worst.Status && worst.Status.Worse(rec.Status) == rec.Status {
			worst = rec
		}
	}
	if worst.Status == results.Pass { // what was skipped beside a pass is not known to work
		if i := slices.IndexFunc(records, func(rec results.Record) bool { return rec.Status != results.Pass }); i >= 0 {
			worst = records[i]
		}
	}
	p.record, p.Stage, p.Code, p.Reason = worst, worst.Stage, worst.Code, worst.Reason
	switch worst.Status {
	case results.Pass:
		p.Outcome = results.Good
	case results.Fail:
		p.Outcome = results.Bad
	default:
		p.Outcome = results.Untestable
		p.Broke = worst.Status != results.Skip
		p.Reason = cmp.Or(p.Reason, string(worst.Status))
	}
}

// report keeps a test that ended, and passes it on.
func (b *search) report(s results.Step) {
	b.steps = append(b.steps, s)
	if b.Report != nil {
		b.Report(s)
	}
}

func (b *search) answer(ctx context.Context, r *row) *results.Bisection {
	good, bad := r.points[r.good], r.points[r.bad]
	found := &results.Bisection{Schema: results.BisectionSchema, Module: b.plan.Module, Good: good.Step, Bad: bad.Step, Between: []results.Step{}, Steps: b.steps, Folder: filepath.Join(b.Spec.Out, dir)}
	if bad.Results == b.Spec.Out {
		found.Folder = b.Spec.Out
	}
	for _, p := range r.between() {
		found.Between = append(found.Between, p.Step)
	}
	names := explain.Names(bad.record, bad.Results)
	if len(names) == 0 {
		return found
	}
	spec := b.Spec
	spec.Offline = true
	changes, err := explain.Compare(ctx, b.h.Sources(spec), good.target, bad.target, names)
	if err != nil && ctx.Err() == nil {
		b.h.Notice(err.Error())
	}
	found.Changes = changes
	return found
}

// add adds the results of one kernel, which lie in folder, to those of the others.
func (b *search) add(res *results.Results, folder string) {
	b.whole.Schema, b.whole.Run, b.whole.Module = res.Schema, res.Run, res.Module
	move := func(a *results.Artifacts) {
		for _, path := range []*string{&a.BuildLog, &a.Console, &a.SuiteLog, &a.Specs} {
			if *path != "" {
				*path = filepath.Join(folder, *path)
			}
		}
	}
	for _, rec := range res.Records {
		move(&rec.Artifacts)
		rec.Tries = slices.Clone(rec.Tries)
		for i := range rec.Tries {
			move(&rec.Tries[i].Artifacts)
		}
		b.whole.Records = append(b.whole.Records, rec)
	}
}

// write puts the results of all tests into one matrix. Ends of an earlier run are in it without their artifacts.
func (b *search) write(ends ...point) error {
	if len(b.whole.Records) == 0 {
		return nil
	}
	for _, end := range ends {
		if rec := end.record; end.Results == b.Spec.Out {
			rec.Artifacts, rec.Tries, rec.InTreeRun = results.Artifacts{}, nil, nil
			b.whole.Records = append(b.whole.Records, rec)
		}
	}
	b.h.HoldClaims(b.plan, &b.whole)
	b.whole.Finish()
	folder, err := results.OpenFolder(filepath.Join(b.Spec.Out, dir))
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return errors.Join(b.whole.Write(folder), folder.Close())
}
