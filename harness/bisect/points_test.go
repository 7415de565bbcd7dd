package bisect

import (
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// solve halves a row in which what shows how each point ends: g, b, ? (it shows nothing), and - (it is known by name alone).
func solve(what string) (r *row, tests string) {
	r = &row{points: make([]point, len(what)), bad: len(what) - 1}
	for i, c := range what {
		if c == '-' {
			r.points[i].Missing = "no headers"
		}
	}
	for i, ok := r.next(); ok; i, ok = r.next() {
		tests += string(what[i])
		r.note(i, point{Step: results.Step{Outcome: map[byte]results.Outcome{'g': results.Good, 'b': results.Bad, '?': results.Untestable}[what[i]]}})
	}
	return r, tests
}

func TestRow(t *testing.T) {
	for what, want := range map[string]struct {
		good, bad int
		tests     string
	}{
		"gb":        {0, 1, ""},
		"ggb":       {1, 2, "g"},
		"gbb":       {0, 1, "b"},
		"g-b":       {0, 2, ""},
		"g---b":     {0, 4, ""},
		"gg-bb":     {1, 3, "gb"},
		"g?b":       {0, 2, "?"},
		"g-g?-b-b":  {2, 5, "?gb"},
		"gggggggb":  {6, 7, "ggg"},
		"gbbbbbbb":  {0, 1, "bb"},
		"ggg-----b": {2, 8, "gg"},
	} {
		r, tests := solve(what)
		if r.good != want.good || r.bad != want.bad || tests != want.tests {
			t.Errorf("%s: good %d, bad %d after %q; want %d, %d after %q", what, r.good, r.bad, tests, want.good, want.bad, want.tests)
		}
	}
}

// Whatever the row: the answer is right, nothing that could have been decided is left between, and there are no more tests than
// the logarithm of what could be tested, and those that showed nothing.
func TestAnyRow(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 2 + r.IntN(60)
		breaks := 1 + r.IntN(n-1)
		what, hopeful := []byte{}, 0 // points that are there, whether or not they will show anything
		for i := range n {
			c := byte('g')
			if i >= breaks {
				c = 'b'
			}
			if i > 0 && i < n-1 && r.IntN(3) == 0 {
				c = "-?"[r.IntN(2)]
			}
			if i > 0 && i < n-1 && c != '-' {
				hopeful++
			}
			what = append(what, c)
		}
		h, tests := solve(string(what))
		if what[h.good] != 'g' || what[h.bad] != 'b' {
			t.Fatalf("%s: good %d, bad %d", what, h.good, h.bad)
		}
		for i := h.good + 1; i < h.bad; i++ {
			if what[i] == 'g' || what[i] == 'b' {
				t.Fatalf("%s: %d is left between %d and %d", what, i, h.good, h.bad)
			}
		}
		if decided := len(tests) - strings.Count(tests, "?"); decided > bits.Len(uint(hopeful)) {
			t.Fatalf("%s: %q are %d tests for %d points", what, tests, decided, hopeful)
		}
	}
}

func TestToGo(t *testing.T) {
	for n, want := range map[int]int{2: 0, 3: 1, 4: 2, 5: 2, 9: 3, 10: 4} {
		if got := (&row{points: make([]point, n), bad: n - 1}).toGo(); got != want {
			t.Errorf("%d points: %d tests to go, want %d", n, got, want)
		}
	}
}

func target(release, version, suite string) kernels.Target {
	return kernels.Target{Release: release, Version: version, Suite: suite, Flavour: "amd64", Source: "debian:" + suite}
}

func TestRowBetween(t *testing.T) {
	res := kernels.Resolution{Targets: []kernels.Target{
		target("6.1.9-a", "6.1.9", "old"), target("6.12.10-o", "6.12.10", "old"), target("6.12.9-o", "6.12.9", "old"), target("6.12.9-n", "6.12.9", "new"),
		target("7.2-n", "7.2", "new"), target("7.3-n", "7.3", "new"), target("5.10.1-o", "5.10.1", "old")},
		Incomplete: []*kernels.IncompleteError{{Release: "6.16.3-n", Version: "6.16.3", Reason: "no headers"},
			{Release: "6.12.10-x", Version: "6.12.10", Reason: "no headers"}, {Release: "7.2~rc1-n", Version: "7.2~rc1", Reason: "no headers"}}}
	var got []string
	for _, p := range rowBetween(res, point{}.at(target("6.1.9-a", "6.1.9", "other")), point{}.at(target("7.3-n", "7.3", "new"))).points {
		got = append(got, p.Release+strings.Repeat("!", min(len(p.Missing), 1)))
	}
	want := "6.1.9-a 6.12.9-n 6.12.10-o 6.16.3-n! 7.2~rc1-n! 7.2-n 7.3-n"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s; want %s", strings.Join(got, " "), want)
	}
}
