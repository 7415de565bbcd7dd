package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// Search says what to bisect. It is plain data but for Told.
type Search struct {
	Spec Spec   // the module and how it is run; of Kernels, the oldest and the newest are the ends where nothing else names them
	Good string // selector of one kernel on which it works; empty: as the last run in Spec.Out says, else the oldest of Kernels
	Bad  string // likewise, where it fails; else the newest
	Told func(results.Step)
}

// step is the test of one point.
type step struct {
	results.Step
	target kernels.Target
	record results.Record // the one that decided
}

// at puts s at the point p.
func (s step) at(p Point) step {
	s.Release, s.Version, s.Missing, s.target = p.Release, p.Version, p.Missing, p.Target
	s.Selector = aboutTarget(p.Target).Selector()
	return s
}

// ErrUntestable says that of an end of a bisection nothing can be told, so that there is nothing to search between (exit code
// 125, as git bisect has it).
var ErrUntestable = errors.New("cannot be tested")

// lister is a Source that can tell of every release that it has.
type lister interface {
	Releases(ctx context.Context, flavour string) (kernels.Resolution, error)
}

// bisectDir is the folder below Spec.Out with the results of each kernel that a bisection tested.
const bisectDir = "bisect"

// bisection is a search under way.
type bisection struct {
	*Harness
	Search
	plan  *Plan // of the module, without a kernel
	build bool  // no guest is needed: the module fails before
	steps []results.Step
	whole results.Results // of all kernels that were tested
}

// Bisect finds the first release on which the module fails, among all that the archive still holds between one on which it
// works and one on which it does not. Each is one Run, with everything cached that can be; where the bad end fails at its
// build, nothing is booted. It gives a *UsageError where the ends are none, an error that wraps ErrNothingMatched where
// nothing fails, or everything, and one that wraps ErrUntestable where an end tells nothing.
func (h *Harness) Bisect(ctx context.Context, s Search) (*results.Bisection, error) {
	plan, err := h.planModule(ctx, s.Spec)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	b := &bisection{Harness: h, Search: s, plan: plan}
	good, bad, err := b.ends(ctx)
	if err != nil {
		return nil, err
	}
	row, err := b.list(ctx, good, bad)
	if err != nil {
		return nil, err
	}
	return b.halve(ctx, row, good, bad)
}

// planModule is Plan without any kernel.
func (h *Harness) planModule(ctx context.Context, spec Spec) (*Plan, error) {
	in, err := h.takeIn(ctx, spec)
	if err != nil {
		return nil, err
	}
	p := &Plan{Spec: spec, in: in}
	if p.Module, err = in.about(spec); err == nil {
		p.Suites, err = findSuites(spec.Suites)
	}
	if err != nil {
		p.Close()
		return nil, &UsageError{err}
	}
	return p, nil
}

// lister is the source of both ends, if it is one that can list what lies between them.
func (b *bisection) lister(good, bad kernels.Target) (lister, error) {
	source, _ := bad.Origin()
	other, _ := good.Origin()
	l, ok := b.sources(b.Spec)[source].(lister)
	switch {
	case !ok || source != other:
		return nil, &UsageError{fmt.Errorf("bisect goes through the releases of an archive, from %s (%s) to %s (%s); name two of debian, such as debian:bookworm", Label(good), good.Source, Label(bad), bad.Source)}
	case good.Flavour != bad.Flavour:
		return nil, &UsageError{fmt.Errorf("%s is of flavour %s, and %s of %s: name two of one flavour", Label(good), good.Flavour, Label(bad), bad.Flavour)}
	}
	return l, nil
}

// list gives all points from good to bad.
func (b *bisection) list(ctx context.Context, good, bad step) ([]Point, error) {
	l, err := b.lister(good.target, bad.target)
	if err != nil {
		return nil, err
	}
	res, err := l.Releases(ctx, bad.target.Flavour)
	if err != nil {
		return nil, err
	}
	row := pointsBetween(res, good.target, bad.target)
	for _, t := range res.Targets { // the ends of an earlier run are known by name alone
		for _, end := range []*Point{&row[0], &row[len(row)-1]} {
			if len(end.Target.Packages) == 0 && end.Release == Label(t) {
				end.Target = t
			}
		}
	}
	return row, nil
}

// halve tests until nothing more can be told.
func (b *bisection) halve(ctx context.Context, row []Point, good, bad step) (*results.Bisection, error) {
	h := newHalving(row)
	by := make([]step, len(row))
	for i, p := range row {
		by[i] = step{Step: results.Step{Outcome: h.seen[i], Reason: p.Missing}}.at(p)
	}
	by[0], by[len(row)-1] = good.at(row[0]), bad.at(row[len(row)-1])
	for i, ok := h.next(); ok; i, ok = h.next() {
		s, err := b.test(ctx, row[i])
		if err != nil {
			return nil, err
		}
		h.note(i, s.Outcome)
		s.ToGo = h.toGo()
		by[i] = s
		b.told(s)
	}
	found := &results.Bisection{Schema: results.BisectionSchema, Module: b.plan.Module, Good: by[h.good].Step, Bad: by[h.bad].Step, Between: []results.Step{}, Steps: b.steps, Folder: filepath.Join(b.Spec.Out, bisectDir)}
	if found.Bad.Results == b.Spec.Out {
		found.Folder = b.Spec.Out
	}
	for _, i := range h.between() {
		found.Between = append(found.Between, by[i].Step)
	}
	found.Changes = b.changes(ctx, b.Spec, by[h.bad], by[h.good].target, by[h.bad].target)
	return found, b.write(good, bad)
}

// write puts the results of all tests together, so that they can be read as one matrix. Ends that were known from an earlier
// run are in it without their artifacts, which lie there.
func (b *bisection) write(ends ...step) error {
	if len(b.whole.Records) == 0 {
		return nil
	}
	for _, s := range ends {
		if s.Results == b.Spec.Out {
			s.record.Artifacts, s.record.Tries, s.record.InTreeRun = results.Artifacts{}, nil, nil
			b.whole.Records = append(b.whole.Records, s.record)
		}
	}
	slices.SortStableFunc(b.whole.Records, func(a, b results.Record) int {
		return cmp.Or(results.CompareVersions(a.Target.Version, b.Target.Version), cmp.Compare(a.Target.Release, b.Target.Release))
	})
	b.holdClaims(b.plan, &b.whole)
	b.whole.Finish()
	return b.whole.Write(filepath.Join(b.Spec.Out, bisectDir, results.FileName))
}

// add takes the results of one kernel to those of the others, a folder further up.
func (b *bisection) add(res *results.Results, folder string) {
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

func (b *bisection) told(s step) {
	b.steps = append(b.steps, s.Step)
	if b.Told != nil {
		b.Told(s.Step)
	}
}

// test runs the module on one kernel. An error says that it could not even be begun, or that the user ended it.
func (b *bisection) test(ctx context.Context, p Point) (step, error) {
	plan := *b.plan
	plan.Targets, plan.part = []kernels.Target{p.Target}, true
	plan.Spec.Out = filepath.Join(b.Spec.Out, bisectDir, fileName(p.Release))
	plan.Spec.BuildOnly, plan.Spec.Resume = b.build || b.Spec.BuildOnly, false
	plan.Spec.CompareInTree = false // it is the module that is asked about
	began := time.Now()
	res, err := b.Run(ctx, &plan)
	if err != nil {
		return step{}, err
	}
	b.add(res, fileName(p.Release))
	s := stepOf(res.Records).at(p)
	s.Results, s.Elapsed = plan.Spec.Out, time.Since(began)
	if b.plan.Module.Version == "" {
		b.plan.Module.Name, b.plan.Module.Version = res.Module.Name, res.Module.Version
	}
	return s, nil
}

// stepOf is what the records of one kernel come to: bad where one of them failed, good where all passed.
func stepOf(records []results.Record) step {
	worst := records[0]
	for _, rec := range records[1:] {
		if rec.Status != worst.Status && worst.Status.Worse(rec.Status) == rec.Status {
			worst = rec
		}
	}
	s := step{Step: results.Step{Outcome: results.Untestable, Stage: worst.Stage, Code: worst.Code, Reason: worst.Reason}, record: worst}
	switch worst.Status {
	case results.Pass:
		s.Outcome = results.Good
	case results.Fail:
		s.Outcome = results.Bad
	default:
		s.Broke = worst.Status != results.Skip
		s.Reason = cmp.Or(s.Reason, string(worst.Status))
	}
	for _, rec := range records {
		if s.Outcome == results.Good && rec.Status != results.Pass {
			s.Outcome = results.Untestable // what was skipped beside a pass was not told
			s.Stage, s.Code, s.Reason, s.record = rec.Stage, rec.Code, rec.Reason, rec
		}
	}
	return s
}

// errSameEnds says that there is no turn to look for.
func errSameEnds(good, bad step) error {
	what := fmt.Sprintf("works on both %s and %s", good.Release, bad.Release)
	if good.Outcome == results.Bad {
		what = fmt.Sprintf("fails on both %s (at %s: %s) and %s (at %s: %s)", good.Release, good.Stage, good.Reason, bad.Release, bad.Stage, bad.Reason)
	}
	return fmt.Errorf("%w: the module %s, so there is no first bad release between them; name others with --good and --bad", ErrNothingMatched, what)
}
