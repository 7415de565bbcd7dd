package harness

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// solve halves a row in which what shows how each point ends: g, b, ? (it shows nothing), and - (it is known by name alone).
func solve(what string) (h *halving, tests string) {
	row := make([]Point, len(what))
	for i, c := range what {
		if c == '-' {
			row[i].Missing = "no headers"
		}
	}
	h = newHalving(row)
	for i, ok := h.next(); ok; i, ok = h.next() {
		tests += string(what[i])
		h.note(i, map[byte]Outcome{'g': Good, 'b': Bad, '?': Untestable}[what[i]])
	}
	return h, tests
}

func TestHalving(t *testing.T) {
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
		h, tests := solve(what)
		if h.good != want.good || h.bad != want.bad || tests != want.tests {
			t.Errorf("%s: good %d, bad %d after %q; want %d, %d after %q", what, h.good, h.bad, tests, want.good, want.bad, want.tests)
		}
	}
}

// Whatever the row: the answer is right, nothing that could have been told is left between, and there are no more tests than
// the logarithm of what could be tested, and those that showed nothing.
func TestHalvingAnyRow(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 2 + r.IntN(60)
		turn := 1 + r.IntN(n-1)
		what, hopeful := []byte{}, 0 // points that are there, whether or not they will tell anything
		for i := range n {
			c := byte('g')
			if i >= turn {
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
		for _, i := range h.between() {
			if what[i] == 'g' || what[i] == 'b' {
				t.Fatalf("%s: %d is left between %d and %d", what, i, h.good, h.bad)
			}
		}
		if told := len(tests) - strings.Count(tests, "?"); told > bits.Len(uint(hopeful)) {
			t.Fatalf("%s: %q are %d tests for %d points", what, tests, told, hopeful)
		}
	}
}

func TestToGo(t *testing.T) {
	for n, want := range map[int]int{2: 0, 3: 1, 4: 2, 5: 2, 9: 3, 10: 4} {
		if got := newHalving(make([]Point, n)).toGo(); got != want {
			t.Errorf("%d points: %d tests to go, want %d", n, got, want)
		}
	}
}

func target(release, version, suite string) kernels.Target {
	return kernels.Target{Release: release, Version: version, Suite: suite, Flavour: "amd64", Source: "debian:" + suite}
}

func TestPointsBetween(t *testing.T) {
	res := kernels.Resolution{Targets: []kernels.Target{
		target("6.1.9-a", "6.1.9", "old"), target("6.12.10-o", "6.12.10", "old"), target("6.12.9-o", "6.12.9", "old"), target("6.12.9-n", "6.12.9", "new"),
		target("7.2-n", "7.2", "new"), target("7.3-n", "7.3", "new"), target("5.10.1-o", "5.10.1", "old")},
		Incomplete: []*kernels.IncompleteError{{Release: "6.16.3-n", Version: "6.16.3", Err: errors.New("no headers")},
			{Release: "6.12.10-x", Version: "6.12.10", Err: errors.New("no headers")}, {Release: "7.2~rc1-n", Version: "7.2~rc1", Err: errors.New("no headers")}}}
	var got []string
	for _, p := range pointsBetween(res, target("6.1.9-a", "6.1.9", "other"), target("7.3-n", "7.3", "new")) {
		got = append(got, p.Release+strings.Repeat("!", min(len(p.Missing), 1)))
	}
	want := "6.1.9-a 6.12.9-n 6.12.10-o 6.16.3-n! 7.2~rc1-n! 7.2-n 7.3-n"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s; want %s", strings.Join(got, " "), want)
	}
}

// releasesSource is a source that lists kernels 1.0 to 1.N, of which it lacks some.
type releasesSource struct {
	fakeSource
	n       int
	missing []int
}

func (s *releasesSource) target(i int) kernels.Target {
	return kernels.Target{Release: fmt.Sprintf("1.%d-amd64", i), Version: fmt.Sprintf("1.%d", i), Arch: "x86_64", Flavour: "amd64", Source: "debian:all", Packages: []kernels.Package{{Name: "p"}}}
}

func (s *releasesSource) Resolve(_ context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	var i int
	if _, err := fmt.Sscanf(sel.Version, "1.%d", &i); err != nil || i > s.n {
		return kernels.Resolution{}, fmt.Errorf("%w: %s", kernels.ErrNoMatch, sel)
	}
	return kernels.Resolution{Targets: []kernels.Target{s.target(i)}}, nil
}

func (s *releasesSource) Releases(context.Context, string) (kernels.Resolution, error) {
	var res kernels.Resolution
	for i := range s.n + 1 {
		if slices.Contains(s.missing, i) {
			res.Incomplete = append(res.Incomplete, &kernels.IncompleteError{Release: s.target(i).Release, Version: s.target(i).Version, Err: errors.New("no headers")})
			continue
		}
		res.Targets = append(res.Targets, s.target(i))
	}
	return res, nil
}

// bisecting is a harness in which the module builds on every kernel older than 1.BROKEN.
func bisecting(t *testing.T, broken int, missing ...int) (*fixture, *releasesSource) {
	f := newFixture(t, "call pass\npoweroff\n")
	src := &releasesSource{fakeSource: fakeSource{dir: f.source.dir}, n: 40, missing: missing}
	f.sources = func(Spec) map[string]Source { return map[string]Source{"debian": src} }
	works := f.make
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		if results.CompareVersions(r.Tree.Target.Version, fmt.Sprintf("1.%d", broken)) >= 0 {
			f.builds.Add(1)
			return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: "fifo.c:1: implicit declaration of function 'gone'"}
		}
		return works(ctx, r)
	}
	f.spec.Kernels = []string{"debian:x@1.0", "debian:x@1.40"}
	return f, src
}

func TestBisect(t *testing.T) {
	f, _ := bisecting(t, 17)
	var told []string
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec, Told: func(s Step) { told = append(told, s.Release) }})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.16" || found.Bad.Version != "1.17" || len(found.Between) != 0 || found.Broke() || found.Bad.Stage != results.StageBuild {
		t.Errorf("%+v", found)
	}
	if len(told) != len(found.Steps) || len(told) > 2+6 || int(f.builds.Load()) != len(told) {
		t.Errorf("%d kernels tested with %d builds: %v", len(told), f.builds.Load(), told)
	}
	if _, err := results.Read(filepath.Join(found.Bad.Results, results.FileName)); err != nil {
		t.Error(err)
	}
}

// The archive lacks the kernels around the turn: the answer is a range, and that is no trouble of ours.
func TestBisectToARange(t *testing.T) {
	f, _ := bisecting(t, 17, 15, 16, 17, 30)
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec, Good: "debian:x@1.3", Bad: "debian:x@1.38"})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.14" || found.Bad.Version != "1.18" || len(found.Between) != 3 || found.Broke() {
		t.Errorf("%+v", found)
	}
}

// One of the kernels cannot be fetched, which another time it may.
func TestBisectPastTrouble(t *testing.T) {
	f, src := bisecting(t, 17)
	src.fetch = func(_ context.Context, target kernels.Target) error {
		if target.Version == "1.17" {
			return kernels.ErrUnavailable
		}
		return nil
	}
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.16" || found.Bad.Version != "1.18" || len(found.Between) != 1 || !found.Broke() {
		t.Errorf("%+v", found)
	}
}

// The ends of the last run are believed, and need no test; where the source is another by now, they are not.
func TestBisectFromTheLastRun(t *testing.T) {
	f, _ := bisecting(t, 17)
	f.spec.Kernels = []string{"debian:x@1.3", "debian:x@1.14", "debian:x@1.20", "debian:x@1.30"}
	if _, err := f.run(t, t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.16" || found.Bad.Version != "1.17" || len(found.Steps) > 3 {
		t.Errorf("%d tests: %+v", len(found.Steps), found)
	}
	f.spec.Make = append(f.spec.Make, "X=1")
	res, _ := results.Read(filepath.Join(f.spec.Out, results.FileName))
	res.Module.SourceDigest = "sha256:other"
	if err := res.Write(filepath.Join(f.spec.Out, results.FileName)); err != nil {
		t.Fatal(err)
	}
	f.events = nil
	found, err = f.Bisect(t.Context(), Search{Spec: f.spec})
	if err != nil || found.Bad.Version != "1.17" || len(found.Steps) < 5 {
		t.Errorf("%+v, %v", found, err)
	}
	if !slices.ContainsFunc(f.events, func(e Event) bool { return e.Kind == EventNotice && strings.Contains(e.Text, "another state") }) {
		t.Error("nobody said why the last run was not used")
	}
}

func TestEndsThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		broken    int
		good, bad string
		usage     bool
		nothing   bool
		says      string
	}{
		"works everywhere":   {broken: 99, nothing: true, says: "works on both 1.0-amd64 and 1.40-amd64"},
		"fails everywhere":   {broken: 0, nothing: true, says: "fails on both 1.0-amd64 (at build: fifo.c:1"},
		"the wrong way":      {broken: 17, good: "debian:x@1.20", bad: "debian:x@1.3", usage: true, says: "not older"},
		"one kernel":         {broken: 17, good: "debian:x@1.3", bad: "debian:x@1.3", usage: true, says: "not older"},
		"no such kernel":     {broken: 17, good: "debian:x@1.77", nothing: true, says: "1.77"},
		"not an archive":     {broken: 17, good: "dir:/x", usage: true, says: "unknown source"},
		"no selector at all": {broken: 17, bad: "debian", usage: true, says: "selector"},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := bisecting(t, c.broken)
			found, err := f.Bisect(t.Context(), Search{Spec: f.spec, Good: c.good, Bad: c.bad})
			var usage *UsageError
			if err == nil || errors.As(err, &usage) != c.usage || errors.Is(err, ErrNothingMatched) != c.nothing || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

// A user who gives up gets no answer, and nothing is left.
func TestBisectInterrupted(t *testing.T) {
	f, src := bisecting(t, 17)
	ctx, cancel := context.WithCancel(t.Context())
	src.fetch = func(_ context.Context, target kernels.Target) error {
		if target.Version != "1.0" && target.Version != "1.40" {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	found, err := f.Bisect(ctx, Search{Spec: f.spec})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", found, err)
	}
	if left, _ := filepath.Glob(filepath.Join(f.store.Dir(), "work", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What fails in the guest is looked for with guests, and what fails to build without.
func TestBisectBootsOnlyWhereItMust(t *testing.T) {
	f, _ := bisecting(t, 17)
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec, Good: "debian:x@1.15", Bad: "debian:x@1.18"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found.Steps {
		res, err := results.Read(filepath.Join(s.Results, results.FileName))
		if err != nil {
			t.Fatal(err)
		}
		if guests := res.Records[0].Artifacts.Console != ""; guests {
			t.Errorf("%s was booted", s.Release)
		}
	}
}

func TestTurn(t *testing.T) {
	suites := []Suite{{Name: "a"}, {Name: "b"}}
	rec := func(version, suite string, s results.Status) results.Record {
		return results.Record{Target: results.Target{Release: version, Version: version, Source: "debian:x"}, Suite: suite, Status: s, Stage: results.StageTest}
	}
	for name, c := range map[string]struct {
		records []results.Record
		want    string
	}{
		"plain":            {[]results.Record{rec("1", "a", "PASS"), rec("2", "a", "PASS"), rec("3", "a", "FAIL"), rec("4", "a", "FAIL")}, "2 3"},
		"too old":          {[]results.Record{rec("1", "a", "FAIL"), rec("2", "a", "PASS"), rec("3", "a", "FAIL")}, "2 3"},
		"trouble between":  {[]results.Record{rec("1", "a", "PASS"), rec("2", "a", "ERROR"), rec("3", "a", "FAIL")}, "1 3"},
		"one of two":       {[]results.Record{rec("1", "a", "PASS"), rec("1", "b", "PASS"), rec("2", "a", "PASS"), rec("2", "b", "FAIL")}, "1 2"},
		"half a pass":      {[]results.Record{rec("1", "a", "PASS"), rec("1", "b", "SKIP"), rec("2", "a", "FAIL")}, ""},
		"another suite":    {[]results.Record{rec("1", "c", "PASS"), rec("2", "c", "FAIL")}, ""},
		"all green":        {[]results.Record{rec("1", "a", "PASS")}, ""},
		"only new is good": {[]results.Record{rec("1", "a", "FAIL"), rec("2", "a", "PASS")}, ""},
	} {
		good, bad, ok := turn(c.records, suites)
		if got := strings.TrimSpace(good.Release + " " + bad.Release); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: got %q %v; want %q", name, got, ok, c.want)
		}
	}
}

// One line and the right kind of error, whatever the last run came to; what it says is not told as a turn where it is none.
func TestBisectFromAMatrixWithoutATurn(t *testing.T) {
	for name, c := range map[string]struct {
		breaks  func(i int) bool
		fetch   int // a kernel that cannot be had
		usage   bool
		is      error
		says    string
		between string
	}{
		"all green":                {breaks: func(int) bool { return false }, is: ErrNothingMatched, says: "works on both 1.3-amd64 and 1.30-amd64"},
		"all red":                  {breaks: func(int) bool { return true }, is: ErrNothingMatched, says: "fails on both 1.3-amd64"},
		"mended, not broken":       {breaks: func(i int) bool { return i < 17 }, usage: true, says: "fails on 1.3-amd64 and works on 1.30-amd64"},
		"the newest is not there":  {breaks: func(i int) bool { return i < 17 }, fetch: 30, is: ErrUntestable, says: "1.30-amd64 is no end to bisect from"},
		"red, green, and red":      {breaks: func(i int) bool { return i < 5 || i > 22 }, between: "1.22 1.23"},
		"green, red, green again":  {breaks: func(i int) bool { return i > 10 && i < 17 }, between: "1.10 1.11"},
		"the green end comes last": {breaks: func(i int) bool { return i == 14 }, between: "1.13 1.14"},
	} {
		t.Run(name, func(t *testing.T) {
			f, src := bisecting(t, 99)
			works := f.make
			f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
				var i int
				fmt.Sscanf(r.Tree.Target.Version, "1.%d", &i)
				if c.breaks(i) {
					return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: "fifo.c:1: no"}
				}
				return works(ctx, r)
			}
			src.fetch = func(_ context.Context, target kernels.Target) error {
				if c.fetch > 0 && target.Version == fmt.Sprintf("1.%d", c.fetch) {
					return kernels.ErrUnavailable
				}
				return nil
			}
			f.spec.Kernels = []string{"debian:x@1.3", "debian:x@1.14", "debian:x@1.30"}
			if _, err := f.run(t, t.Context()); err != nil {
				t.Fatal(err)
			}
			found, err := f.Bisect(t.Context(), Search{Spec: f.spec})
			if c.between != "" {
				if err != nil || found.Good.Version+" "+found.Bad.Version != c.between {
					t.Errorf("%+v, %v; want %s", found, err, c.between)
				}
				return
			}
			var usage *UsageError
			if err == nil || errors.As(err, &usage) != c.usage || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; want %s", err, c.says)
			}
		})
	}
}

// What fails in its guest only is looked for in guests: one for each kernel that is tested, and no build more.
func TestBisectInGuests(t *testing.T) {
	f, src := bisecting(t, 99)
	vmtest.Install(t, "call fails-from 17\npoweroff\n")
	src.fetch = func(_ context.Context, target kernels.Target) error {
		if target.Version == "1.16" || target.Version == "1.18" {
			return kernels.ErrUnavailable
		}
		return nil
	}
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.15" || found.Bad.Version != "1.17" || found.Bad.Stage != results.StageTest || found.Bad.Code != results.CodeReset || !found.Broke() {
		t.Errorf("%+v", found)
	}
	if n, b := len(found.Steps), int(f.builds.Load()); b > n || n > 2+6+2 {
		t.Errorf("%d steps with %d builds", n, b)
	}
	f.builds.Store(0)
	if _, err := f.Bisect(t.Context(), Search{Spec: f.spec}); err != nil || f.builds.Load() != 0 {
		t.Errorf("again: %d builds, %v", f.builds.Load(), err)
	}
}

// What all kernels have in common is told once, of all that were tested.
func TestBisectHoldsClaimsOnce(t *testing.T) {
	f, _ := bisecting(t, 17)
	source := "#if LINUX_VERSION_CODE < KERNEL_VERSION(1, 16, 0)\n#endif\n#if LINUX_VERSION_CODE < KERNEL_VERSION(3, 0, 0)\n#endif\n"
	if err := os.WriteFile(filepath.Join(f.spec.Module, "fifo.c"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(f.notices(), "conditions on the kernel's version"); n != 1 {
		t.Errorf("told %d times:\n%s", n, f.notices())
	}
	res, err := results.Read(filepath.Join(found.Folder, results.FileName))
	if err != nil || res.Module.Claims == nil || res.Module.Claims.Varied != 1 || len(res.Module.Claims.Constant) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// What the kernels bring of the module themselves is no part of the question: no guest is run for it, and the matrix of
// what was tested is not about it.
func TestBisectLeavesTheKernelsOwnCopyAlone(t *testing.T) {
	f, _ := bisecting(t, 17)
	breaks := f.make
	f.withTheirs(t, "hello.ko:\n", "hello")
	works := f.make
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		if art, err := breaks(ctx, r); err != nil {
			return art, err
		}
		return works(ctx, r)
	}
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec, Good: "debian:x@1.15", Bad: "debian:x@1.18"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := results.Read(filepath.Join(found.Folder, results.FileName))
	if err != nil || found.Bad.Version != "1.17" {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, rec := range res.Records {
		if rec.InTreeRun != nil {
			t.Errorf("%s: %+v", rec.Target.Release, rec.InTreeRun)
		}
	}
}

func TestEndsOf(t *testing.T) {
	target := func(name string) kernels.Target {
		version, flavour, _ := strings.Cut(name, "-")
		return kernels.Target{Release: name, Version: version, Flavour: flavour}
	}
	list := func(names string) (all []kernels.Target) {
		for _, name := range strings.Fields(names) {
			all = append(all, target(name))
		}
		return all
	}
	const everything = "1-amd64 1-cloud 2-amd64 2-cloud 2-rt"
	for _, c := range []struct {
		olds, news string
		byNewest   bool
		want       string
	}{
		{everything, everything, false, "1-amd64 2-amd64"},
		{"1-cloud", everything, false, "1-cloud 2-cloud"},
		{everything, "2-cloud", true, "1-cloud 2-cloud"},
		{everything, "2-rt", true, "2-rt 2-rt"}, // which is then no pair
		{"1-amd64", "2-rt", false, "1-amd64 2-rt"},
	} {
		oldest, newest := endsOf(list(c.olds), list(c.news), c.byNewest)
		if got := oldest.Release + " " + newest.Release; got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.olds, c.news, got, c.want)
		}
	}
}
