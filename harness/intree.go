package harness

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"context"
	"errors"
	"os"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

func inTree(tree *kernels.Tree, modules []kbuild.Module) ([]results.InTree, error) {
	var found []results.InTree
	for _, m := range modules {
		path, ok, err := tree.Module(m.Name)
		if err != nil {
			return nil, fmt.Errorf("look for the kernel's own %s: %w", m.Name, err)
		}
		if !ok {
			continue
		}
		var theirs kbuild.Module
		data, err := kernels.ReadModule(path)
		if err == nil {
			theirs, err = kbuild.InspectData(filepath.Base(path), data)
		}
		if err != nil {
			return nil, fmt.Errorf("read the kernel's own %s: %w", m.Name, err)
		}
		found = append(found, results.InTree{Module: m.Name, Version: theirs.Version, SrcVersion: theirs.SrcVersion, Ours: relation(m, theirs)})
	}
	return found, nil
}

// relation says how ours stands to the kernel's own copy, as dkms decides it when it installs: by the versions where both
// have one, else by the checksums of the sources (dkms 3.2.2, compare_module_version).
func relation(ours, theirs kbuild.Module) results.Relation {
	switch {
	case ours.Version != "" && theirs.Version != "" && ours.Version != theirs.Version:
		if padded(ours.Version) < padded(theirs.Version) {
			return results.Older
		}
		return results.Newer
	case ours.SrcVersion != "" && ours.SrcVersion == theirs.SrcVersion:
		return results.Same
	case ours.Version != "" && ours.Version == theirs.Version && (ours.SrcVersion == "" || theirs.SrcVersion == ""):
		return results.Same
	}
	return results.Other
}

var digits = regexp.MustCompile(`\d+`)

// padded writes every number of a version with leading zeros, so that versions compare as texts.
func padded(version string) string {
	return digits.ReplaceAllStringFunc(version, func(n string) string { return strings.Repeat("0", max(0, 20-len(n))) + n })
}

func inTreeNotes(all []results.InTree) (lines []string) {
	words := map[results.Relation]string{results.Newer: "ours is newer", results.Older: "ours is older", results.Same: "the same as ours",
		results.Other: "of another source"}
	for _, t := range all {
		lines = append(lines, fmt.Sprintf("in tree: the kernel brings its own %s %s, %s", t.Module, cmp.Or(t.Version, "(no version)"), words[t.Ours]))
	}
	return lines
}

// deferred is the condition under which the kernel's own modules are to be preferred: none is older than ours.
func deferred(modules []kbuild.Module, all []results.InTree) string {
	if len(all) == 0 || len(all) < len(modules) {
		return ""
	}
	if slices.ContainsFunc(all, func(t results.InTree) bool { return t.Ours != results.Same && t.Ours != results.Older }) {
		return ""
	}
	return "the kernel brings its own: " + strings.Join(inTreeNotes(all), "; ")
}

// The kernel's own copy of the module, run through the same suites (--compare-in-tree). Its result is no part of any verdict.

// counterpart is the kernel's own copy of the module under test, ready to be loaded.
type counterpart struct {
	built // of which the modules and the notes are set
	names []string
}

// counterpart finds the kernel's own copies of what b was to make; nil where nothing is run, or there are none: a note in b.
func (bd *builder) counterpart(ctx context.Context, tree *kernels.Tree, b *built) *counterpart {
	if !bd.plan.Spec.CompareInTree || bd.plan.Spec.BuildOnly || ctx.Err() != nil {
		return nil
	}
	names, err := bd.moduleNames(ctx, tree, b)
	if len(names) == 0 {
		note := "in tree: what the module is called is not known where it does not build, so the kernel's own copy was not looked for"
		if err != nil {
			note += ": " + judge.FirstLine(err.Error())
		}
		b.Notes = append(b.Notes, note)
		return nil
	}
	t, err := bd.unpackCopies(tree, names, b)
	if err != nil {
		b.Notes = append(b.Notes, "in tree: the kernel's own copy could not be run: "+err.Error())
	}
	return t
}

// moduleNames are the modules that the source makes: as they were built, else as its dkms.conf, Kbuild or Makefile declares them.
func (bd *builder) moduleNames(ctx context.Context, tree *kernels.Tree, b *built) (names []string, err error) {
	pkg := bd.plan.in.module
	switch {
	case len(b.Modules) > 0:
		names = moduleNamesOf(b.Modules)
	case pkg.HasConf:
		own := *pkg
		conf, err := bd.h.evaluate(&own, ctx, tree)
		if err != nil {
			return nil, err
		}
		names = listOf(conf.Modules, func(m dkms.Module) string { return wire.ModuleName(m.Name) })
	default:
		names, err = kbuild.Declared(pkg.Source)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// unpackCopies unpacks the kernel's own copies of names. That there are none, or not all, is a note in b.
func (bd *builder) unpackCopies(tree *kernels.Tree, names []string, b *built) (*counterpart, error) {
	own, lacking, err := copies(tree, names)
	b.Notes = append(b.Notes, lacking...)
	if err != nil || len(own) == 0 {
		return nil, err
	}
	t := &counterpart{}
	dir := filepath.Join(bd.work, "in-tree-"+FileName(Label(tree.Target)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, path := range own {
		m, err := unpackModule(dir, path)
		if err != nil {
			return nil, err
		}
		t.Modules, t.names = append(t.Modules, m), append(t.names, m.Name)
	}
	for _, p := range bd.plan.Spec.Params {
		if name, _, _ := strings.Cut(p, "="); !takes(t.Modules, p) {
			note := fmt.Sprintf("in tree: the kernel's own %s takes no parameter %s, which was left out for it", strings.Join(t.names, ", "), name)
			t.Notes, b.Notes = append(t.Notes, note), append(b.Notes, note)
		}
	}
	return t, nil
}

// copies are the files of the kernel's own modules called names, in load order, and of those among what they need that build
// upon one of them: these must be loaded after it. lacking says what the kernel has not.
func copies(tree *kernels.Tree, names []string) (paths, lacking []string, err error) {
	under := map[string]bool{}
	var found []string
	for _, name := range names {
		path, ok, err := tree.Module(name)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			under[path] = true
			found = append(found, name)
			continue
		}
		_, err = tree.Closure(name)
		switch none := (*kernels.NoModuleError)(nil); {
		case errors.As(err, &none):
			lacking = append(lacking, "in tree: this kernel has no "+name+" of its own to compare with")
		case err != nil:
			return nil, nil, err
		default:
			lacking = append(lacking, "in tree: "+name+" is built into this kernel, so its own copy cannot be run by itself")
		}
	}
	all, err := tree.Closure(found...)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range all {
		needs, err := tree.Closure(kernels.ModuleName(path))
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(needs, func(p string) bool { return under[p] }) {
			paths = append(paths, path)
		}
	}
	return paths, lacking, nil
}

// unpackModule writes the module at path into dir as it is loaded, and says what it is.
func unpackModule(dir, path string) (kbuild.Module, error) {
	file := filepath.Join(dir, kernels.ModuleName(path)+".ko")
	data, err := kernels.ReadModule(path)
	if err == nil {
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		return kbuild.Module{}, err
	}
	return kbuild.Inspect(file)
}

// placed says on rec, and on what was run beside it, which cell it is of.
func placed(rec results.Record, suite string, t results.Target) results.Record {
	rec.Suite, rec.Target = suite, t
	if rec.InTreeRun != nil {
		theirs := *rec.InTreeRun
		theirs.Record.Suite, theirs.Record.Target = suite, t
		rec.InTreeRun = &theirs
	}
	return rec
}

func moduleNamesOf(modules []kbuild.Module) []string {
	return listOf(modules, func(m kbuild.Module) string { return m.Name })
}
