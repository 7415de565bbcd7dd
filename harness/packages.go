package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/packaging"
)

// symversFile is the Module.symvers of a build, in its entry of the store.
const symversFile = "Module.symvers"

// packageAdder returns a tree with a root with more in it; the source of Debian's kernels does, for every tree whose root is of a suite.
type packageAdder interface {
	WithPackages(ctx context.Context, tree *kernels.Tree, needs []string, report func(kernels.Progress)) (*kernels.Tree, error)
}

// addPackages returns tree with a root that has what the packages to build depend on, as far as the archive has it.
func (bd *builder) addPackages(ctx context.Context, tree *kernels.Tree, report func(kernels.Progress)) (*kernels.Tree, error) {
	if bd.plan.in.module == nil { // a kernel is fetched, and nothing is built for it
		return tree, nil
	}
	asked := &dkms.Package{Needs: bd.plan.Spec.Packages}
	if asPackage(tree.Target) {
		asked.Needs = slices.Concat(asked.Needs, packaging.Tools)
	}
	needs := append(bd.plan.in.module.Lacking(tree), asked.Lacking(tree)...)
	for _, p := range bd.plan.in.depends {
		needs = append(needs, p.Lacking(tree)...)
	}
	archive, ok := bd.h.sources(bd.plan.Spec)["debian"].(packageAdder)
	if len(needs) == 0 || !ok {
		return tree, nil
	}
	slices.Sort(needs)
	tree, err := archive.WithPackages(ctx, tree, slices.Compact(needs), report)
	if err == nil && tree.Target.Suite != "" && len(asked.Lacking(tree)) > 0 {
		err = fmt.Errorf("%w: %s has no package %s, which --build-package or [build] packages names", kernels.ErrUnavailable, tree.Target.Suite, strings.Join(asked.Lacking(tree), ", "))
	}
	return tree, err
}

// compileModule builds pkg in dir the way it wants to be built. conf is what its dkms.conf says, or nil.
func (bd *builder) compileModule(ctx context.Context, tree *kernels.Tree, pkg *dkms.Package, conf *dkms.Conf, dir string, symbols exports, objects string, log io.Writer) (*kbuild.Artifact, error) {
	if asPackage(tree.Target) {
		return bd.install(ctx, tree, pkg, conf, dir, log)
	}
	return bd.compileWith(ctx, tree, pkg, conf, dir, symbols, objects, bd.plan.Spec.Make, log)
}

// compileWith is compileModule with vars, NAME=VALUE each, for every make, and never as the package's users have it installed.
func (bd *builder) compileWith(ctx context.Context, tree *kernels.Tree, pkg *dkms.Package, conf *dkms.Conf, dir string, symbols exports, objects string, vars []string, log io.Writer) (*kbuild.Artifact, error) {
	if pkg.HasConf {
		own := *pkg // evaluating it may teach it its name, and another target evaluates it at the same time
		return bd.h.pack(ctx, dkms.Request{Tree: tree, Package: &own, Conf: conf, Dir: dir, Make: vars,
			Jobs: 2, Symbols: symbols.symvers, Objects: objects, Log: log})
	}
	return bd.h.make(ctx, kbuild.Request{Tree: tree, Source: symbols.in(pkg.Files), Dir: dir, Make: vars,
		Jobs: 2, Symbols: symbols.symvers, Objects: objects, Log: log})
}

// exports are the Module.symvers of packages that another one builds upon, in load order, each with the folder of its source.
type exports struct{ symvers, folders []string }

// in is the source with those that lie in folders that it refers to.
func (e exports) in(source kbuild.Source) kbuild.Source {
	top, err := filepath.EvalSymlinks(source.Top)
	source.Files = map[string]string{}
	for i, folder := range e.folders {
		real, realErr := filepath.EvalSymlinks(folder)
		if name, relErr := filepath.Rel(top, real); errors.Join(err, realErr, relErr) == nil && filepath.IsLocal(name) {
			source.Files[filepath.Join(name, symversFile)] = e.symvers[i]
		}
	}
	return source
}

// dependencies builds the packages that the module builds upon, and returns modules and Module.symvers in load order.
func (bd *builder) dependencies(ctx context.Context, tree *kernels.Tree) (modules []kbuild.Module, symbols exports, err error) {
	if len(bd.plan.in.depends) == 0 {
		return nil, symbols, nil // confOfOne says if there should be some
	}
	order, err := bd.dependencyOrder(ctx, tree)
	if err != nil {
		return nil, symbols, err
	}
	for i, pkg := range order {
		log := filepath.Join(bd.work, fmt.Sprintf("build-%s-%d.log", Label(tree.Target), i))
		dir, _, err := bd.h.store.Fill(ctx, "builds", bd.buildKey(tree, pkg, symbols), func(dir string) error {
			return pkg.unchanged(ctx, bd.buildInto(ctx, dir, tree, pkg, nil, symbols, "", log))
		})
		if err != nil {
			return nil, symbols, fmt.Errorf("build %s, which the module depends on: %w", pkg.title(), notItsFault(err))
		}
		p, err := readProduct(dir)
		if err != nil {
			return nil, symbols, err
		}
		modules = append(modules, p.Modules...)
		symbols.symvers, symbols.folders = append(symbols.symvers, filepath.Join(dir, symversFile)), append(symbols.folders, pkg.Source)
	}
	return modules, symbols, nil
}

// confOfOne returns what the module's dkms.conf says for tree, where no package was given that it builds upon; nil where it has
// none, or some were given. That it needs some is an error that names them.
func (bd *builder) confOfOne(ctx context.Context, tree *kernels.Tree) (*dkms.Conf, error) {
	in := bd.plan.in
	if !in.module.HasConf || len(in.depends) > 0 {
		return nil, nil
	}
	own := *in.module
	conf, err := bd.h.evaluate(&own, ctx, tree)
	if err != nil {
		return nil, err
	}
	_, err = orderOf(map[string][]string{conf.Name: conf.Depends})
	return conf, err
}

// orderOf is the order of packages by what each needs. That some are missing is an error that says how to give them.
func orderOf(needs map[string][]string) ([]string, error) {
	names, missing, err := dkms.Order(needs)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("needs %s (BUILD_DEPENDS): give each with --depends PATH", strings.Join(missing, ", "))
	}
	return names, err
}

// notItsFault takes from err that the module under test is at fault: another package is.
func notItsFault(err error) error { return errors.New(err.Error()) }

// dependencyOrder puts the module's Depends into the order of BUILD_DEPENDS. A missing one is an error that says how to give it.
func (bd *builder) dependencyOrder(ctx context.Context, tree *kernels.Tree) ([]packed, error) {
	in := bd.plan.in
	needs, byName := map[string][]string{}, map[string]packed{}
	for i, p := range append([]packed{{Package: in.module}}, in.depends...) {
		own := *p.Package
		name, on := fmt.Sprintf("(package %d)", i), []string{}
		if own.HasConf {
			conf, err := bd.h.evaluate(&own, ctx, tree)
			if err != nil {
				return nil, err
			}
			name, on = conf.Name, conf.Depends
		}
		if _, twice := needs[name]; twice {
			return nil, fmt.Errorf("two of the packages are called %s: give one of them", name)
		}
		needs[name] = on
		if i > 0 {
			byName[name] = p
		}
	}
	names, err := orderOf(needs)
	if err != nil {
		return nil, err
	}
	var order []packed
	for _, name := range names {
		if p, ok := byName[name]; ok {
			order = append(order, p)
		}
	}
	return order, nil
}

// loadable refuses two modules of one name: a kernel takes only one (kernel/module/main.c, add_unformed_module).
func loadable(modules []kbuild.Module) error {
	seen := map[string]bool{}
	for _, m := range modules {
		if seen[m.Name] {
			return fmt.Errorf("two of the packages build %s.ko, and a kernel loads one module of a name: leave one out of --depends", m.Name)
		}
		seen[m.Name] = true
	}
	return nil
}

// keepSymvers puts what a build exports into its entry. A module that exports nothing leaves an empty file.
func keepSymvers(dir string, art *kbuild.Artifact) error {
	to := filepath.Join(dir, symversFile)
	if art.Symvers == "" {
		return os.WriteFile(to, nil, 0o644)
	}
	return copyFile(to, art.Symvers)
}
