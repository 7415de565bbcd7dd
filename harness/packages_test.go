package harness

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// packUp makes the fixture's module a DKMS package, and gives its folder.
func (f *fixture) packUp(t *testing.T) string {
	t.Helper()
	conf := "PACKAGE_NAME=fifo\nPACKAGE_VERSION=2.0\nBUILT_MODULE_NAME=fifo\nDEST_MODULE_LOCATION=/updates\n"
	if err := os.WriteFile(filepath.Join(f.spec.Module, "dkms.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return f.spec.Module
}

// TestPackageThatDoesNotWantTheKernel holds that a package's own word is a SKIP with its condition, and that the other
// kernels are tested all the same.
func TestPackageThatDoesNotWantTheKernel(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.packUp(t)
	build := f.make
	f.make = nil
	f.evaluate = func(*dkms.Package, context.Context, *kernels.Tree) (*dkms.Conf, error) { return &dkms.Conf{}, nil }
	f.pack = func(ctx context.Context, r dkms.Request) (*kbuild.Artifact, error) {
		if strings.HasPrefix(r.Tree.Target.Release, "old") {
			return nil, &dkms.SkipError{Condition: "BUILD_EXCLUSIVE_KERNEL_MIN is 6"}
		}
		art, err := build(ctx, kbuild.Request{Dir: r.Dir})
		art.Notes = []string{"CLEAN has no meaning here"}
		return art, err
	}
	res, err := f.run(t, t.Context())
	if err != nil || summary(res) != "old-amd64 lifecycle SKIP@build excluded\nyoung-amd64 lifecycle PASS@" {
		t.Fatalf("%v\n%s", err, summary(res))
	}
	if reason := res.Records[0].Reason; reason != "BUILD_EXCLUSIVE_KERNEL_MIN is 6" {
		t.Errorf("skipped for %q", reason)
	}
	if v := res.Module.Version; v != "2.0" { // the .ko says 1.0
		t.Errorf("the package's version is not the module's: %q", v)
	}
	if notes := res.Records[1].Notes; len(notes) != 1 || notes[0] != "CLEAN has no meaning here" {
		t.Errorf("notes %q", notes)
	}
	if res.ExitCode() != 0 {
		t.Errorf("exit code %d", res.ExitCode())
	}
}

// TestModuleInAnArchive holds that an archive is unpacked for the run alone.
func TestModuleInAnArchive(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	archive := filepath.Join(t.TempDir(), "fifo-2.0.tar.gz")
	tarUp(t, archive, f.spec.Module)
	f.spec.Module = archive
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	if p.Module.Name != "fifo-2.0" || p.Module.SourceDigest == "" {
		t.Errorf("module %+v", p.Module)
	}
	res, err := f.Run(t.Context(), p)
	if err != nil || res.Summary[results.Pass] != 2 {
		t.Errorf("%v\n%s", err, summary(res))
	}
	p.Close()
	if left, _ := filepath.Glob(filepath.Join(f.store.Dir(), "work", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestModuleThatIsNowhere(t *testing.T) {
	f := newFixture(t, "")
	f.spec.Module = filepath.Join(t.TempDir(), "gone.deb")
	_, err := f.Plan(t.Context(), f.spec)
	if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), "gone.deb") {
		t.Errorf("%v", err)
	}
}

func tarUp(t *testing.T, archive, dir string) {
	t.Helper()
	file, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip := gzip.NewWriter(file)
	defer zip.Close()
	w := tar.NewWriter(zip)
	defer w.Close()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: "fifo-2.0/" + e.Name(), Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "%s", data)
	}
}

// TestBuildThatDoesNotEnd holds that a Makefile which waits for ever costs its own cells and nobody else's.
func TestBuildThatDoesNotEnd(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	make, limits := f.make, f.limits
	f.limits = func(s Spec) deadlines {
		d := limits(s)
		d.build = 200 * time.Millisecond
		return d
	}
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		if strings.HasPrefix(r.Tree.Target.Release, "old") {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		return make(ctx, r)
	}
	res, err := f.run(t, t.Context())
	if err != nil || summary(res) != "old-amd64 lifecycle ERROR@build timeout\nyoung-amd64 lifecycle PASS@" {
		t.Errorf("%v\n%s", err, summary(res))
	}
}
