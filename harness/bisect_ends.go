package harness

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// ends are a kernel on which the module works and a newer one on which it does not. Those of the last run are believed, if it
// was of the same source; any others are tested, the bad one first: it tells how far the good one has to come.
func (b *bisection) ends(ctx context.Context) (good, bad step, err error) {
	if b.Good == "" && b.Bad == "" {
		if good, bad, ok := b.earlier(); ok {
			b.build = bad.Stage == results.StageBuild
			return good, bad, nil
		}
	}
	oldest, newest, err := b.named(ctx)
	if err != nil {
		return good, bad, err
	}
	if bad, err = b.test(ctx, pointOf(newest)); err != nil {
		return good, bad, err
	}
	b.told(bad)
	if bad.Outcome == results.Untestable {
		return good, bad, b.check(bad, bad)
	}
	b.build = bad.Outcome == results.Bad && bad.Stage == results.StageBuild
	if good, err = b.test(ctx, pointOf(oldest)); err != nil {
		return good, bad, err
	}
	b.told(good)
	return good, bad, b.check(good, bad)
}

// check says what is wrong with the ends, if anything is.
func (b *bisection) check(good, bad step) error {
	switch {
	case good.Outcome == results.Untestable || bad.Outcome == results.Untestable:
		s := good
		if bad.Outcome == results.Untestable {
			s = bad
		}
		return fmt.Errorf("%w: %s is no end to bisect from: %s; name another with --good or --bad", ErrUntestable, s.Release, s.Reason)
	case good.Outcome == bad.Outcome:
		return errSameEnds(good, bad)
	case good.Outcome == results.Bad:
		return &UsageError{fmt.Errorf("the module fails on %s and works on %s: bisect finds where it stopped to work, not where it began", good.Release, bad.Release)}
	}
	return nil
}

// named are the ends that were given; of one that was not, the oldest or the newest of the kernels of a run, of one flavour.
func (b *bisection) named(ctx context.Context) (oldest, newest kernels.Target, err error) {
	olds, err := b.candidates(ctx, "--good", b.Good)
	if err != nil {
		return oldest, newest, err
	}
	news := olds
	if b.Bad != "" || b.Good != "" {
		if news, err = b.candidates(ctx, "--bad", b.Bad); err != nil {
			return oldest, newest, err
		}
	}
	oldest, newest = endsOf(olds, news, b.Good == "" && b.Bad != "")
	if results.CompareVersions(oldest.Version, newest.Version) >= 0 {
		return oldest, newest, &UsageError{fmt.Errorf("%s is not older than %s: the good kernel comes first", Label(oldest), Label(newest))}
	}
	_, err = b.lister(oldest, newest)
	return oldest, newest, err
}

// endsOf are the first of olds and the last of news that are of one kind: that of the first of olds, or of the last of news where
// that was given. Where there is none of that kind, the two are what they are.
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
func (b *bisection) candidates(ctx context.Context, flag, selector string) ([]kernels.Target, error) {
	p := Plan{Spec: b.Spec}
	if selector != "" {
		sel, err := kernels.ParseSelector(selector)
		if err != nil {
			return nil, &UsageError{err}
		}
		p.Spec.Kernels, p.Spec.Required = []kernels.Selector{sel}, nil
	}
	if err := b.resolve(ctx, &p); err != nil {
		return nil, err
	}
	for _, n := range p.Notices {
		b.event(results.Event{Kind: results.EventNotice, Text: n})
	}
	switch n := len(p.Targets); {
	case n == 0:
		return nil, fmt.Errorf("%w: %s", ErrUntestable, p.Unresolved[0].Reason)
	case selector == "" || n == 1:
		return p.Targets, nil
	}
	var names []string
	for _, t := range p.Targets {
		names = append(names, Label(t))
	}
	return nil, &UsageError{fmt.Errorf("%s takes one kernel, and %s is %d: %s", flag, selector, len(names), strings.Join(names, ", "))}
}

// earlier takes the ends from the last run, if it was of the same source: the oldest kernel on which it failed, and the newest
// one before it on which it passed.
func (b *bisection) earlier() (good, bad step, ok bool) {
	res, err := results.Read(filepath.Join(b.Spec.Out, results.FileName))
	if err != nil {
		return good, bad, false
	}
	good, bad, ok = turn(res.Records, b.plan.Suites)
	if ok && res.Module.SourceDigest != b.plan.Module.SourceDigest {
		b.event(results.Event{Kind: results.EventNotice, Text: "the last run in " + b.Spec.Out + " was of another state of the source, so its results are not used"})
		return good, bad, false
	}
	good.Results, bad.Results = b.Spec.Out, b.Spec.Out
	return good, bad, ok
}

// turn finds in the records of a run the first pair of ends of one flavour, in the order of the matrix.
func turn(records []results.Record, suites []Suite) (good, bad step, ok bool) {
	type kind struct{ arch, flavour string }
	var order []kind
	rows := map[kind]map[string][]results.Record{}
	for _, rec := range records {
		wanted := slices.ContainsFunc(suites, func(s Suite) bool { return s.Name == rec.Suite })
		if !wanted || rec.Target.Profile != "" || !strings.HasPrefix(rec.Target.Source, "debian:") {
			continue
		}
		k := kind{rec.Target.Arch, rec.Target.Flavour}
		if rows[k] == nil {
			rows[k] = map[string][]results.Record{}
			order = append(order, k)
		}
		rows[k][rec.Target.Release] = append(rows[k][rec.Target.Release], rec)
	}
	for _, k := range order {
		if good, bad, ok = turnOf(rows[k]); ok {
			return good, bad, true
		}
	}
	return step{}, step{}, false
}

// turnOf is turn for kernels of one flavour, by release.
func turnOf(rows map[string][]results.Record) (good, bad step, ok bool) {
	var steps []step
	for _, records := range rows {
		t := records[0].Target
		end := kernels.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour, Source: t.Source}
		steps = append(steps, stepOf(records).at(pointOf(end)))
	}
	slices.SortFunc(steps, func(a, b step) int {
		return cmp.Or(results.CompareVersions(a.Version, b.Version), cmp.Compare(a.Release, b.Release))
	})
	for _, s := range steps {
		switch {
		case s.Outcome == results.Good:
			good = s
		case s.Outcome == results.Bad && good.Release != "" && results.CompareVersions(good.Version, s.Version) < 0:
			return good, s, true // one that fails before any passed is too old for the module, which is another question
		}
	}
	return good, bad, false
}
