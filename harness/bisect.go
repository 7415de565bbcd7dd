package harness

import (
	"cmp"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// Point is one kernel that a bisection may test. It is plain data: where it comes from is its lister's business.
type Point struct {
	Target  kernels.Target // the zero value where the kernel is known by name alone
	Release string         // as a matrix names it
	Version string         // X.Y.Z
	Missing string         // why it cannot be tested; empty: it can
}

// halving finds where good turns into bad in a row of which the first is good and the last is bad.
type halving struct {
	good, bad int               // the last that is known to be good, the first that is known to be bad
	seen      []results.Outcome // of each point
}

func newHalving(points []Point) *halving {
	h := &halving{bad: len(points) - 1, seen: make([]results.Outcome, len(points))}
	for i, p := range points {
		if p.Missing != "" {
			h.seen[i] = results.Untestable
		}
	}
	h.seen[0], h.seen[h.bad] = results.Good, results.Bad
	return h
}

// open are the points between good and bad of which nothing is known, in order.
func (h *halving) open() []int {
	var open []int
	for i := h.good + 1; i < h.bad; i++ {
		if h.seen[i] == "" {
			open = append(open, i)
		}
	}
	return open
}

// next is the point to test now: the one that leaves as many on either side. ok is false when there is nothing left to test.
func (h *halving) next() (point int, ok bool) {
	open := h.open()
	if len(open) == 0 {
		return 0, false
	}
	return open[(len(open)-1)/2], true
}

// note takes in what the test of a point showed.
func (h *halving) note(point int, o results.Outcome) {
	h.seen[point] = o
	switch {
	case o == results.Good && point > h.good:
		h.good = point
	case o == results.Bad && point < h.bad:
		h.bad = point
	}
}

// between are the points of which nobody knows on which side they are: the answer is exact where there are none.
func (h *halving) between() []int {
	var left []int
	for i := h.good + 1; i < h.bad; i++ {
		left = append(left, i)
	}
	return left
}

// toGo is how many tests there will be at most, if all of them can tell.
func (h *halving) toGo() (tests int) {
	for n := len(h.open()); n > 0; n /= 2 {
		tests++
	}
	return tests
}

// pointsBetween puts what a source lists between two ends into one row: of two builds of one version, one, and of those the one whose
// root is that of an end: as little else as possible changes on the way, and the root is there.
func pointsBetween(res kernels.Resolution, good, bad kernels.Target) []Point {
	var middle []Point
	for _, t := range res.Targets {
		middle = append(middle, pointOf(t))
	}
	for _, e := range res.Incomplete {
		middle = append(middle, Point{Release: e.Release, Version: e.Version, Missing: e.Error()})
	}
	middle = slices.DeleteFunc(middle, func(p Point) bool {
		return results.CompareVersions(p.Version, good.Version) <= 0 || results.CompareVersions(p.Version, bad.Version) >= 0
	})
	sameRoot := func(t, end kernels.Target) bool {
		return t.Suite == end.Suite && slices.Equal(t.RootPkgs, end.RootPkgs)
	}
	strange := func(p Point) int {
		switch t := p.Target; {
		case p.Missing != "":
			return 3
		case sameRoot(t, bad):
			return 0
		case sameRoot(t, good):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(middle, func(a, b Point) int {
		return cmp.Or(results.CompareVersions(a.Version, b.Version), cmp.Compare(strange(a), strange(b)))
	})
	middle = slices.CompactFunc(middle, func(a, b Point) bool { return a.Version == b.Version })
	return slices.Concat([]Point{pointOf(good)}, middle, []Point{pointOf(bad)})
}

func pointOf(t kernels.Target) Point {
	return Point{Target: t, Release: Label(t), Version: t.Version}
}
