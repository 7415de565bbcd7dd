package bisect

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/explain"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// ends are a kernel on which the module works and a newer one on which it does not. Those of the last run are believed, if it
// was of the same source; any others are tested, the bad one first: it decides how far the good one has to come.
func (b *search) ends(ctx context.Context) (good, bad point, err error) {
	if b.Good == nil && b.Bad == nil {
		if good, bad, ok := b.earlier(); ok {
			b.build = bad.Stage == results.StageBuild
			return good, bad, nil
		}
	}
	oldest, newest, err := b.named(ctx)
	if err != nil {
		return good, bad, err
	}
	if bad, err = b.test(ctx, point{}.at(newest)); err != nil {
		return good, bad, err
	}
	b.report(bad.Step)
	if bad.Outcome == results.Untestable {
		return good, bad, noEnd(bad)
	}
	b.build = bad.Outcome == results.Bad && bad.Stage == results.StageBuild
	if good, err = b.test(ctx, point{}.at(oldest)); err != nil {
		return good, bad, err
	}
	b.report(good.Step)
	return good, bad, check(good, bad)
}

func check(good, bad point) error {
	switch {
	case good.Outcome == results.Untestable:
		return noEnd(good)
	case good.Outcome == results.Bad && bad.Outcome == results.Bad:
		return nothingBetween(fmt.Sprintf("fails on both %s (at %s: %s) and %s (at %s: %s)", good.Release, good.Stage, good.Reason, bad.Release, bad.Stage, bad.Reason))
	case good.Outcome == bad.Outcome:
		return nothingBetween(fmt.Sprintf("works on both %s and %s", good.Release, bad.Release))
	case good.Outcome == results.Bad:
		return usage("the module fails on %s and works on %s: bisect finds where it stopped working, not where it began", good.Release, bad.Release)
	}
	return nil
}

func noEnd(p point) error {
	return fmt.Errorf("%w: %s is no end to bisect from: %s; name another with --good or --bad", ErrUntestable, p.Release, p.Reason)
}

func nothingBetween(what string) error {
	return fmt.Errorf("%w: the module %s, so there is no first bad release between them; name others with --good and --bad", harness.ErrNothingMatched, what)
}

func usage(format string, args ...any) error {
	return &harness.UsageError{Err: fmt.Errorf(format, args...)}
}

// named are the ends that were given; of one that was not, the oldest or the newest of the kernels of a run, of one flavour.
func (b *search) named(ctx context.Context) (oldest, newest kernels.Target, err error) {
	olds, err := b.candidates(ctx, "--good", b.Good)
	if err != nil {
		return oldest, newest, err
	}
	news := olds
	if b.Bad != nil || b.Good != nil {
		if news, err = b.candidates(ctx, "--bad", b.Bad); err != nil {
			return oldest, newest, err
		}
	}
	oldest, newest = endsOf(olds, news, b.Good == nil && b.Bad != nil)
	if results.CompareVersions(oldest.Version, newest.Version) >= 0 {
		return oldest, newest, usage("%s is not older than %s: the good kernel comes first", harness.Label(oldest), harness.Label(newest))
	}
	_, err = b.lister(oldest, newest)
	return oldest, newest, err
}

// endsOf are the first of olds and the last of news that are of the kind of olds[0], or of news' last byNewest.
func endsOf(olds, news []kernels.Target, byNewest bool) (oldest, newest kernels.Target) {
	oldest, newest = olds[0], news[len(news)-1]
	like := oldest
	if byNewest {
		like = newest
	}
	alike := func(t kernels.Target) bool {
		return t.Arch == like.Arch && t.Flavour == like.Flavour && t.Profile == like.Profile
	}
	if i := slices.IndexFunc(olds, alike); i >= 0 {
		oldest = olds[i]
	}
	for _, t := range news {
		if alike(t) {
			newest = t
		}
	}
	return oldest, newest
}

// candidates resolves a selector to its kernel, or all kernels of the run to those that can be tested, oldest first.
func (b *search) candidates(ctx context.Context, flag string, selector *kernels.Selector) ([]kernels.Target, error) {
	p := harness.Plan{Spec: b.Spec}
	if selector != nil {
		p.Spec.Kernels, p.Spec.Required = []kernels.Selector{*selector}, nil
	}
	if err := b.h.Resolve(ctx, &p); err != nil {
		return nil, err
	}
	for _, n := range p.Notices {
		b.h.Notice(n)
	}
	switch n := len(p.Targets); {
	case n == 0:
		return nil, fmt.Errorf("%w: %s", ErrUntestable, p.Unresolved[0].Reason)
	case selector == nil || n == 1:
		return p.Targets, nil
	}
	var names []string
	for _, t := range p.Targets {
		names = append(names, harness.Label(t))
	}
	return nil, usage("%s takes one kernel, and %s is %d: %s", flag, selector, len(names), strings.Join(names, ", "))
}

// earlier are the ends of the last run of the same source: the oldest kernel that failed, and the newest before it that passed.
func (b *search) earlier() (good, bad point, ok bool) {
	res, err := results.Read(filepath.Join(b.Spec.Out, results.FileName))
	if err != nil {
		return good, bad, false
	}
	good, bad, ok = endsIn(res.Records, b.plan.Suites)
	if ok && res.Module.SourceDigest != b.plan.Module.SourceDigest {
		b.h.Notice("the last run in " + b.Spec.Out + " was of another state of the source, so its results are not used")
		return good, bad, false
	}
	good.Results, bad.Results = b.Spec.Out, b.Spec.Out
	return good, bad, ok
}

// endsIn finds in the records of a run the first pair of ends of one flavour, in the order of the matrix.
func endsIn(records []results.Record, suites []harness.Suite) (good, bad point, ok bool) {
	asked := results.Results{Records: slices.DeleteFunc(slices.Clone(records), func(rec results.Record) bool {
		wanted := slices.ContainsFunc(suites, func(s harness.Suite) bool { return s.Name == rec.Suite })
		return !wanted || rec.Target.Profile != "" || !strings.HasPrefix(rec.Target.Source, "debian:")
	})}
	seen := map[[2]string]bool{} // by architecture and flavour
	rows := asked.Matrix().Rows
	for _, first := range rows {
		kind := [2]string{first.Target.Arch, first.Target.Flavour}
		if seen[kind] {
			continue
		}
		seen[kind], good = true, point{}
		for _, w := range rows {
			if kind != [2]string{w.Target.Arch, w.Target.Flavour} {
				continue
			}
			p := point{}.at(explain.Target(w.Target))
			p.judge(w.Cells)
			switch {
			case p.Outcome == results.Good:
				good = p
			case p.Outcome == results.Bad && good.Release != "" && results.CompareVersions(good.Version, p.Version) < 0:
				return good, p, true // one that fails before any passed is too old for the module, which is another question
			}
		}
	}
	return good, bad, false
}

// point is a kernel that a bisection may test, and what is known of it.
type point struct {
	results.Step
	target kernels.Target // the zero value where the kernel is known by name alone
	record results.Record // of its test: the one that decided
}

func (p point) at(t kernels.Target) point {
	p.target, p.Release, p.Version, p.Selector = t, harness.Label(t), t.Version, harness.About(t).Selector()
	return p
}

// row are kernels from old to new. The module works on the first and fails on the last.
type row struct {
	points    []point
	good, bad int // the last that is known to be good, the first that is known to be bad
}

// next is the point to test now: the one that leaves as many on either side. ok is false when there is nothing left to test.
func (r *row) next() (i int, ok bool) {
	open := r.open()
	if len(open) == 0 {
		return 0, false
	}
	return open[(len(open)-1)/2], true
}

// open are the points between good and bad of which nothing is known, in order.
func (r *row) open() (open []int) {
	for i := r.good + 1; i < r.bad; i++ {
		if r.points[i].Outcome == "" && r.points[i].Missing == "" {
			open = append(open, i)
		}
	}
	return open
}

func (r *row) note(i int, p point) {
	r.points[i] = p
	switch {
	case p.Outcome == results.Good && i > r.good:
		r.good = i
	case p.Outcome == results.Bad && i < r.bad:
		r.bad = i
	}
}

// between are the points that could not be tested: the answer is exact where there are none.
func (r *row) between() []point { return r.points[r.good+1 : r.bad] }

// toGo is how many tests there will be at most, if all of them are conclusive.
func (r *row) toGo() (tests int) { return bits.Len(uint(len(r.open()))) }

// rowBetween puts what a source lists between two ends into one row: of two builds of one version, one, and of those the one whose
// root is that of an end: as little else as possible changes on the way, and the root is there.
func rowBetween(res kernels.Resolution, good, bad point) *row {
	var middle []point
	for _, t := range res.Targets {
		middle = append(middle, point{}.at(t))
	}
	for _, e := range res.Incomplete {
		middle = append(middle, point{Step: results.Step{Release: e.Release, Version: e.Version, Missing: e.Error(), Reason: e.Error(), Outcome: results.Untestable}})
	}
	middle = slices.DeleteFunc(middle, func(p point) bool {
		return results.CompareVersions(p.Version, good.Version) <= 0 || results.CompareVersions(p.Version, bad.Version) >= 0
	})
	changes := func(p point) int { // how much more than the kernel is other than at an end
		i := slices.IndexFunc([]point{bad, good}, func(end point) bool {
			return p.target.Suite == end.target.Suite && slices.Equal(p.target.RootPkgs, end.target.RootPkgs)
		})
		switch {
		case p.Missing != "":
			return 3
		case i < 0:
			return 2
		}
		return i
	}
	slices.SortStableFunc(middle, func(a, b point) int {
		return cmp.Or(results.CompareVersions(a.Version, b.Version), cmp.Compare(changes(a), changes(b)))
	})
	middle = slices.CompactFunc(middle, func(a, b point) bool { return a.Version == b.Version })
	return &row{points: slices.Concat([]point{good}, middle, []point{bad}), bad: len(middle) + 1}
}
