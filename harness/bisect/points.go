package bisect

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

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
