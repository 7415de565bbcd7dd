package harness

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// TestPackagesThatGoNotTogether holds that what was given with --depends and cannot be is refused in one line, and never held
// against the module.
func TestPackagesThatGoNotTogether(t *testing.T) {
	for name, c := range map[string]struct {
		needs map[string][]string // package to BUILD_DEPENDS
		given string              // beside the module, which is the package fifo
		want  string              // "" where it goes together
	}{
		"in order":      {map[string][]string{"fifo": {"a"}, "a": {"b"}}, "a b", ""},
		"circle":        {map[string][]string{"fifo": {"a"}, "a": {"b"}, "b": {"a"}}, "a b", "BUILD_DEPENDS goes round in a circle: a needs b needs a"},
		"its own":       {map[string][]string{"fifo": {"fifo"}}, "a", "BUILD_DEPENDS goes round in a circle: fifo needs fifo"},
		"missing":       {map[string][]string{"fifo": {"a", "c"}}, "a", "needs c (BUILD_DEPENDS): give each with --depends PATH"},
		"none given":    {map[string][]string{"fifo": {"a"}}, "", "needs a (BUILD_DEPENDS): give each with --depends PATH"},
		"twice":         {map[string][]string{"fifo": {"a"}}, "a a", "two of the packages are called a: give one of them"},
		"itself":        {nil, "fifo", "two of the packages are called fifo: give one of them"},
		"same module":   {map[string][]string{"fifo": {"ko-fifo"}}, "ko-fifo", "two of the packages build fifo.ko, and a kernel loads one module of a name: leave one out of --depends"},
		"among depends": {map[string][]string{"fifo": {"a", "ko-a"}}, "a ko-a", "two of the packages build a.ko, and a kernel loads one module of a name: leave one out of --depends"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "call pass\npoweroff\n")
			f.packUp(t)
			for _, d := range strings.Fields(c.given) {
				dir := t.TempDir()
				write(t, filepath.Join(dir, "dkms.conf"), "PACKAGE_NAME="+d+"\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME=x\nDEST_MODULE_LOCATION=/updates\n")
				f.spec.Depends = append(f.spec.Depends, dir)
			}
			f.spec.BuildOnly = true
			f.evaluate = func(p *dkms.Package, _ context.Context, _ *kernels.Tree) (*dkms.Conf, error) {
				return &dkms.Conf{Name: p.Name, Depends: c.needs[p.Name]}, nil
			}
			build := f.make
			f.pack = func(ctx context.Context, r dkms.Request) (*kbuild.Artifact, error) {
				art, err := build(ctx, kbuild.Request{Dir: r.Dir})
				if err == nil {
					art.Modules[0].Name = strings.TrimPrefix(r.Package.Name, "ko-")
				}
				return art, err
			}
			res, err := f.run(t, t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := summary(res)
			if c.want == "" {
				if strings.Count(got, "PASS") != 2 {
					t.Errorf("%s", got)
				}
				return
			}
			if strings.Count(got, "ERROR@build infra") != 2 || res.Records[0].Reason != c.want {
				t.Errorf("%s%s; want %s", got, res.Records[0].Reason, c.want)
			}
		})
	}
}

// What goes not together is not loaded either: no guest is started for it.
func TestPackagesThatGoNotTogetherAreNotLoaded(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.packUp(t)
	f.spec.Depends = []string{t.TempDir()}
	write(t, filepath.Join(f.spec.Depends[0], "dkms.conf"), "PACKAGE_NAME=a\nPACKAGE_VERSION=1\nBUILT_MODULE_NAME=x\nDEST_MODULE_LOCATION=/updates\n")
	f.evaluate = func(p *dkms.Package, _ context.Context, _ *kernels.Tree) (*dkms.Conf, error) {
		return &dkms.Conf{Name: p.Name}, nil
	}
	build := f.make
	f.pack = func(ctx context.Context, r dkms.Request) (*kbuild.Artifact, error) { // of both packages the same
		return build(ctx, kbuild.Request{Dir: r.Dir})
	}
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, guests := summary(res), f.begunGuests(); strings.Count(got, "ERROR@build infra") != 2 || guests != 0 {
		t.Errorf("%s; %d guests", got, guests)
	}
}
