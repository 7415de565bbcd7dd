package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/api"
	"github.com/modmatrix/modmatrix/results"
)

// Search says what to bisect. It is plain data but for Told.
type Search struct {
	Spec Spec   // the module and how it is run; of Kernels, the oldest and the newest are the ends where nothing else names them
	Good string // selector of one kernel on which it works; empty: as the last run in Spec.Out says, else the oldest of Kernels
	Bad  string // likewise, where it fails; else the newest
	Told func(Step)
}

// BisectionSchema names the format of a Bisection written as JSON.
const BisectionSchema = "modmatrix.bisection/v1"

// Bisection is what a search came to.
type Bisection struct {
	Schema  string         `json:"schema"`
	Module  results.Module `json:"module"`
	Good    Step           `json:"last_good"`
	Bad     Step           `json:"first_bad"`
	Between []Step         `json:"between"` // releases of which nobody can tell; none: the answer is exact
	Steps   []Step         `json:"steps"`   // what was tested, in that order
	Folder  string         `json:"folder"`  // with a results.json that holds the first bad kernel
	Changes []api.Change   `json:"changes"` // what differs between the two in the names that the build stumbled over
}

// Step is one point and what came of it.
type Step struct {
	Point
	Outcome Outcome       `json:"outcome"`
	Stage   results.Stage `json:"stage,omitempty"`
	Code    results.Code  `json:"code,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Results string        `json:"results,omitempty"` // folder with results.json; empty where nothing was run
	Elapsed time.Duration `json:"elapsed_ns"`
	ToGo    int           `json:"to_go"`           // tests that are left at most
	Broke   bool          `json:"broke,omitempty"` // untestable for a reason of ours that may be another one another time

	record results.Record
}

// Broke tells that there may be a narrower answer another time: something of ours broke on a release in between.
func (b *Bisection) Broke() bool {
	for _, s := range b.Between {
		if s.Broke {
			return true
		}
	}
	return false
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
	steps []Step
	whole results.Results // of all kernels that were tested
}

// Bisect finds the first release on which the module fails, among all that the archive still holds between one on which it
// works and one on which it does not. Each is one Run, with everything cached that can be; where the bad end fails at its
// build, nothing is booted. It gives a *UsageError where the ends are none, an error that wraps ErrNothingMatched where
// nothing fails, or everything, and one that wraps ErrUntestable where an end tells nothing.
func (h *Harness) Bisect(ctx context.Context, s Search) (*Bisection, error) {
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
	source, _, _ := strings.Cut(bad.Source, ":")
	other, _, _ := strings.Cut(good.Source, ":")
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
func (b *bisection) list(ctx context.Context, good, bad Step) ([]Point, error) {
	l, err := b.lister(good.Target, bad.Target)
	if err != nil {
		return nil, err
	}
	res, err := l.Releases(ctx, bad.Target.Flavour)
	if err != nil {
		return nil, err
	}
	row := pointsBetween(res, good.Target, bad.Target)
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
func (b *bisection) halve(ctx context.Context, row []Point, good, bad Step) (*Bisection, error) {
	h := newHalving(row)
	by := make([]Step, len(row))
	for i, p := range row {
		by[i] = Step{Point: p, Outcome: h.seen[i], Reason: p.Missing}
	}
	good.Point, bad.Point = row[0], row[len(row)-1]
	by[0], by[len(row)-1] = good, bad
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
	found := &Bisection{Schema: BisectionSchema, Module: b.plan.Module, Good: by[h.good], Bad: by[h.bad], Between: []Step{}, Steps: b.steps, Folder: filepath.Join(b.Spec.Out, bisectDir)}
	if found.Bad.Results == b.Spec.Out {
		found.Folder = b.Spec.Out
	}
	for _, i := range h.between() {
		found.Between = append(found.Between, by[i])
	}
	found.Changes = b.changes(ctx, b.Spec, found.Bad, found.Good.Target, found.Bad.Target)
	return found, b.write(good, bad)
}

// write puts the results of all tests together, so that they can be read as one matrix. Ends that were known from an earlier
// run are in it without their artifacts, which lie there.
func (b *bisection) write(ends ...Step) error {
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

func (b *bisection) told(s Step) {
	b.steps = append(b.steps, s)
	if b.Told != nil {
		b.Told(s)
	}
}

// test runs the module on one kernel. An error says that it could not even be begun, or that the user ended it.
func (b *bisection) test(ctx context.Context, p Point) (Step, error) {
	plan := *b.plan
	plan.Targets, plan.part = []kernels.Target{p.Target}, true
	plan.Spec.Out = filepath.Join(b.Spec.Out, bisectDir, fileName(p.Release))
	plan.Spec.BuildOnly, plan.Spec.Resume = b.build || b.Spec.BuildOnly, false
	plan.Spec.CompareInTree = false // it is the module that is asked about
	began := time.Now()
	res, err := b.Run(ctx, &plan)
	if err != nil {
		return Step{}, err
	}
	b.add(res, fileName(p.Release))
	s := stepOf(res.Records)
	s.Point, s.Results, s.Elapsed = p, plan.Spec.Out, time.Since(began)
	if b.plan.Module.Version == "" {
		b.plan.Module.Name, b.plan.Module.Version = res.Module.Name, res.Module.Version
	}
	return s, nil
}

// stepOf is what the records of one kernel come to: bad where one of them failed, good where all passed.
func stepOf(records []results.Record) Step {
	worst := records[0]
	for _, rec := range records[1:] {
		if rec.Status != worst.Status && worst.Status.Worse(rec.Status) == rec.Status {
			worst = rec
		}
	}
	s := Step{Outcome: Untestable, Stage: worst.Stage, Code: worst.Code, Reason: worst.Reason, record: worst}
	switch worst.Status {
	case results.Pass:
		s.Outcome = Good
	case results.Fail:
		s.Outcome = Bad
	default:
		s.Broke = worst.Status != results.Skip
		s.Reason = cmp.Or(s.Reason, string(worst.Status))
	}
	for _, rec := range records {
		if s.Outcome == Good && rec.Status != results.Pass {
			s.Outcome = Untestable // what was skipped beside a pass was not told
			s.Stage, s.Code, s.Reason, s.record = rec.Stage, rec.Code, rec.Reason, rec
		}
	}
	return s
}

// errSameEnds says that there is no turn to look for.
func errSameEnds(good, bad Step) error {
	what := fmt.Sprintf("works on both %s and %s", good.Release, bad.Release)
	if good.Outcome == Bad {
		what = fmt.Sprintf("fails on both %s (at %s: %s) and %s (at %s: %s)", good.Release, good.Stage, good.Reason, bad.Release, bad.Stage, bad.Reason)
	}
	return fmt.Errorf("%w: the module %s, so there is no first bad release between them; name others with --good and --bad", ErrNothingMatched, what)
}
