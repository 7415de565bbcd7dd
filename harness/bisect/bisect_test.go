package bisect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func TestBisect(t *testing.T) {
	f := bisecting(t, 17)
	var reported []string
	found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec, Report: func(s results.Step) { reported = append(reported, s.Release) }})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.16" || found.Bad.Version != "1.17" || len(found.Between) != 0 || found.Broke() || found.Bad.Stage != results.StageBuild {
		t.Errorf("%+v", found)
	}
	if len(reported) != len(found.Steps) || len(reported) > 2+6 || int(f.builds.Load()) != len(reported) {
		t.Errorf("%d kernels tested with %d builds: %v", len(reported), f.builds.Load(), reported)
	}
	if _, err := results.Read(filepath.Join(found.Bad.Results, results.FileName)); err != nil {
		t.Error(err)
	}
}

// The archive lacks the kernels around the first bad one: the answer is a range, and nothing broke.
func TestBisectToARange(t *testing.T) {
	f := bisecting(t, 17, 15, 16, 17, 30)
	found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec, Good: selector("debian:x@1.3"), Bad: selector("debian:x@1.38")})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.14" || found.Bad.Version != "1.18" || len(found.Between) != 3 || found.Broke() {
		t.Errorf("%+v", found)
	}
}

// One of the kernels cannot be fetched, which another time it may.
func TestBisectPastTrouble(t *testing.T) {
	f := bisecting(t, 17)
	f.fetch = func(target kernels.Target) error {
		if target.Version == "1.17" {
			return kernels.ErrUnavailable
		}
		return nil
	}
	found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.16" || found.Bad.Version != "1.18" || len(found.Between) != 1 || !found.Broke() {
		t.Errorf("%+v", found)
	}
}

// A user who gives up gets no answer, and nothing is left.
func TestBisectInterrupted(t *testing.T) {
	f := bisecting(t, 17)
	ctx, cancel := context.WithCancel(t.Context())
	f.fetch = func(target kernels.Target) error {
		if target.Version != "1.0" && target.Version != "1.40" {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	found, err := Find(ctx, f.Harness, Search{Spec: f.spec})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", found, err)
	}
	if left, _ := filepath.Glob(filepath.Join(f.Store().Dir(), "work", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What fails in the guest is looked for with guests, and what fails to build without.
func TestBisectBootsOnlyWhereItMust(t *testing.T) {
	f := bisecting(t, 17)
	found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec, Good: selector("debian:x@1.15"), Bad: selector("debian:x@1.18")})
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
	f := bisecting(t, 99)
	vmtest.Install(t, "call fails-from 17\npoweroff\n")
	f.fetch = func(target kernels.Target) error {
		if target.Version == "1.16" || target.Version == "1.18" {
			return kernels.ErrUnavailable
		}
		return nil
	}
	found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec})
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
	if _, err := Find(t.Context(), f.Harness, Search{Spec: f.spec}); err != nil || f.builds.Load() != 0 {
		t.Errorf("again: %d builds, %v", f.builds.Load(), err)
	}
}

// What all kernels have in common is reported once, of all that were tested.
func TestBisectHoldsClaimsOnce(t *testing.T) {
	f := bisecting(t, 17)
	source := "#if LINUX_VERSION_CODE < KERNEL_VERSION(1, 16, 0)\n#endif\n#if LINUX_VERSION_CODE < KERNEL_VERSION(3, 0, 0)\n#endif\n"
	write(t, filepath.Join(f.spec.Module, "fifo.c"), source)
	found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(f.notices(), "conditions on the kernel's version"); n != 1 {
		t.Errorf("reported %d times:\n%s", n, f.notices())
	}
	res, err := results.Read(filepath.Join(found.Folder, results.FileName))
	if err != nil || res.Module.Claims == nil || res.Module.Claims.Varied != 1 || len(res.Module.Claims.Constant) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// What the kernels bring of the module themselves is no part of the question: no guest is run for it, and the matrix of
// what was tested is not about it.
func TestBisectLeavesTheKernelsOwnCopyAlone(t *testing.T) {
	f := bisecting(t, 17)
	hello, err := os.ReadFile("../../kernels/kbuild/testdata/hello.ko")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.dir, "hello.ko"), string(hello))
	write(t, filepath.Join(f.dir, "modules.dep"), "hello.ko:\n")
	write(t, filepath.Join(f.spec.Module, "Kbuild"), "obj-m := hello.o\n")
	f.spec.CompareInTree = true
	found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec, Good: selector("debian:x@1.15"), Bad: selector("debian:x@1.18")})
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
