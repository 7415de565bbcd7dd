package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// addingPackages is a source with a root that lacks what it is not asked for.
type addingPackages struct {
	*fakeSource
	root  string // with make in it
	suite string
	mu    sync.Mutex
	asked []string
}

func (s *addingPackages) Fetch(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (*kernels.Tree, error) {
	tree, err := s.fakeSource.Fetch(ctx, t, report)
	tree.Root, tree.Target.Suite = kernels.Root{Dir: s.root}, s.suite
	return tree, err
}

func (s *addingPackages) WithPackages(_ context.Context, tree *kernels.Tree, needs []string, report func(kernels.Progress)) (*kernels.Tree, error) {
	report(kernels.Progress{What: "root"})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, tree.Target.Release+": "+strings.Join(needs, ", "))
	next := *tree
	next.Root.Compiler = "extended"
	if needs[0] == "unobtainable" {
		return nil, fmt.Errorf("fetch it: %w: no network", kernels.ErrUnavailable)
	}
	return &next, nil
}

// TestPackageIsGivenWhatItNeeds holds that a .deb is built in a root that has what it depends on, and that no other root is made
// where the kernel's own has it.
func TestPackageIsGivenWhatItNeeds(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("no dpkg-deb here")
	}
	for _, c := range []struct{ depends, asked, built string }{
		{"dkms, libx-dev (>= 2) | liby-dev, make, libz", "[old-amd64: libx-dev (>= 2) | liby-dev, libz young-amd64: libx-dev (>= 2) | liby-dev, libz]", "extended"},
		{"dkms, make (>= 4)", "[]", ""},
		{"dkms, unobtainable", "[old-amd64: unobtainable young-amd64: unobtainable]", "nothing"},
	} {
		f := newFixture(t, "call pass\npoweroff\n")
		src := &addingPackages{fakeSource: f.source, root: t.TempDir()}
		write(t, filepath.Join(src.root, "var/lib/dpkg/status"), "Package: make\nStatus: install ok installed\nVersion: 4.3\n")
		f.sources = func(Spec) map[string]Source { return map[string]Source{"debian": src} }
		f.spec.Module = deb(t, c.depends)
		f.spec.BuildOnly, f.spec.Jobs = true, 1
		build, built := f.make, "nothing"
		f.evaluate = func(*dkms.Package, context.Context, *kernels.Tree) (*dkms.Conf, error) { return &dkms.Conf{}, nil }
		f.pack = func(ctx context.Context, r dkms.Request) (*kbuild.Artifact, error) {
			built = r.Tree.Root.Compiler
			return build(ctx, kbuild.Request{Dir: r.Dir})
		}
		p, err := f.Plan(t.Context(), f.spec)
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.Run(t.Context(), p)
		p.Close()
		slices.Sort(src.asked)
		if err != nil || fmt.Sprint(src.asked) != c.asked || built != c.built || strings.Contains(summary(res), "FAIL") {
			t.Errorf("%s: %v, asked for %v, built in %q\n%s", c.depends, err, src.asked, built, summary(res))
		}
	}
}

// deb is a package that depends on what it is said.
func deb(t *testing.T, depends string) string {
	t.Helper()
	tree := t.TempDir()
	write(t, filepath.Join(tree, "DEBIAN/control"), "Package: fifo-dkms\nVersion: 2.0\nArchitecture: all\nDepends: "+depends+"\nMaintainer: a <a@example.org>\nDescription: x\n")
	write(t, filepath.Join(tree, "usr/src/fifo-2.0/dkms.conf"), "PACKAGE_NAME=fifo\nPACKAGE_VERSION=2.0\nBUILT_MODULE_NAME=fifo\nDEST_MODULE_LOCATION=/updates\n")
	file := filepath.Join(t.TempDir(), "fifo-dkms_2.0_all.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", tree, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}
