package harness

import (
	"context"
	"errors"
	"fmt"
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
	f.spec.Kernels = Selectors("debian:x@1.0", "debian:x@1.40")
	return f, src
}

func TestBisect(t *testing.T) {
	f, _ := bisecting(t, 17)
	var told []string
	found, err := f.Bisect(t.Context(), Search{Spec: f.spec, Told: func(s results.Step) { told = append(told, s.Release) }})
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
