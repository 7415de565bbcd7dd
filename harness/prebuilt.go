package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/prebuilt"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// Modules that somebody else has built (--prebuilt): they take the place of the build, and everything after it is the same.

// openPrebuilt is openPackages where nothing is built. The module's folder, where one is given, is there for suites and configuration.
func (h *Harness) openPrebuilt(ctx context.Context, spec Spec) (in intake, err error) {
	if info, err := os.Stat(spec.Module); spec.Module != "" && (err != nil || !info.IsDir()) {
		return in, &UsageError{&kbuild.SourceError{Path: spec.Module, Problem: "no such folder", Cure: "with --prebuilt, MODULE is the folder of modmatrix.toml and suites, and may be left out"}}
	}
	work, release, err := h.store.WorkDir()
	if err != nil {
		return in, err
	}
	in.release = release
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	files, empty := filepath.Join(work, "binaries"), filepath.Join(work, "source")
	if err = errors.Join(os.Mkdir(files, 0o755), os.Mkdir(empty, 0o755)); err != nil {
		return in, err
	}
	if in.binaries, err = prebuilt.Open(ctx, files, spec.Prebuilt...); err != nil {
		return in, asUsage(err, "")
	}
	in.module = &dkms.Package{Kind: dkms.Folder, Source: empty, Files: kbuild.Source{Top: empty}, Notes: in.binaries.Notes}
	return in, in.takeFirmware(ctx, spec, work)
}

// aboutBinaries is what results.json says of modules that came as they are.
func (in intake) aboutBinaries() results.Module {
	s := in.binaries
	return results.Module{Name: results.Plain(s.Title()), Version: results.Plain(s.Version()), SourceDigest: s.Digest(), Binaries: s.About()}
}

// take chooses the binaries for tree, and says what is expected of each.
func (bd *builder) take(ctx context.Context, tree *kernels.Tree, b *built) error {
	k, err := prebuilt.KernelOf(tree)
	if err != nil {
		return kernels.Unavailable(ctx, err)
	}
	for _, c := range bd.plan.in.binaries.For(k) {
		b.Modules = append(b.Modules, c.Module)
		b.predicted = append(b.predicted, c.Prediction)
		b.Notes = append(b.Notes, k.Notes(c.File)...)
	}
	b.Modules = kbuild.LoadOrder(b.Modules)
	slices.SortStableFunc(b.predicted, func(x, y results.Prediction) int { return b.place(x.Module) - b.place(y.Module) })
	return bd.settle(tree, b)
}

// place is where the module called name comes in the order of loading.
func (b *built) place(name string) int {
	return slices.Index(moduleNamesOf(b.Modules), name)
}

// expected are the predictions for the modules that are loaded: not for those that are there for modprobe alone.
func (b *built) expected() []results.Prediction {
	return slices.DeleteFunc(slices.Clone(b.predicted), func(p results.Prediction) bool { return b.place(p.Module) < 0 })
}

// had are those of the kernel's own modules called names that there are, as far as it matters: one that was built here needs them all, and
// of one that was not, the kernel says what it misses.
func (c *cell) had(names []string) []string {
	if len(c.built.predicted) == 0 {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := c.tree.Closure(wire.ModuleName(name))
		return errors.As(err, new(*kernels.NoModuleError))
	})
}
