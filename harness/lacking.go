package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/api"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// stageOf is where a build broke for trouble on our side: what cannot be had at all, such as what modules in Rust are built with, was
// missing when the kernel was fetched.
func stageOf(err error) results.Stage {
	if errors.Is(err, kernels.ErrUnavailable) {
		return results.StageFetch
	}
	return results.StageBuild
}

// withCure is an error of a build that lacked something, with how to give it that. What is lacking comes first: a matrix cuts lines.
func withCure(err error, t kernels.Target) error {
	var lack *kbuild.LackError
	if !errors.As(err, &lack) {
		return err
	}
	return errors.New(strings.TrimSuffix(lack.Error()+"; "+cure(lack.Lacks, t), "; "))
}

// cure says how a build on t gets what it lacks; empty where nobody knows.
func cure(lacks []kbuild.Lack, t kernels.Target) string {
	var packages, guessed, cures []string
	for _, l := range lacks {
		pkg, known := kernels.PackageOf(l.Name)
		switch {
		case l.NeedsNetwork():
			cures = append(cures, "put what it fetches into the source")
		case l.Kind == kbuild.LackPackage:
			cures = append(cures, "give that package with --depends PATH")
		case l.Kind == kbuild.LackSubmodule:
			cures = append(cures, "git submodule update --init --recursive")
		case l.Kind == kbuild.LackProgram && known:
			packages = append(packages, pkg)
		case l.Kind == kbuild.LackProgram:
			guessed = append(guessed, pkg)
		case strings.HasPrefix(l.Name, "-l"):
			guessed = append(guessed, "lib"+l.Name[2:]+"-dev")
		case l.Kind == kbuild.LackLibrary:
			cures = append(cures, "give the package that holds it with --build-package")
		}
	}
	if t.Suite == "" && len(packages)+len(guessed) > 0 {
		return strings.Join(append(cures, "install it where that kernel's modules are built"), "; ")
	}
	if len(packages) > 0 {
		cures = append(cures, fmt.Sprintf(`give it --build-package %s, or packages = ["%s"] in [build] of %s`,
			strings.Join(packages, " --build-package "), strings.Join(packages, `", "`), ConfigName))
	}
	for _, name := range guessed {
		cures = append(cures, fmt.Sprintf("give it --build-package %s, if the package is called so", name))
	}
	return strings.Join(slices.Compact(cures), "; ")
}

// lackNotes says what a module was built without that its build asked for.
func lackNotes(lacks []kbuild.Lack, t kernels.Target) (notes []string) {
	for _, l := range lacks {
		note := "built without " + l.Name + ", which the build asked for and did without"
		if l.Kind == kbuild.LackNetwork {
			note = "built without the network, which the build asked for and did without"
		}
		if how := cure([]kbuild.Lack{l}, t); how != "" {
			note += ": " + how
		}
		notes = append(notes, note)
	}
	return notes
}

// maxExplained is how many options and packages a reason names that would bring undefined symbols.
const maxExplained = 2

// optionsFor is what to add to the reason of a module that wants symbols which the kernel does not have.
func (bd *builder) optionsFor(ctx context.Context, tree *kernels.Tree, symbols []string) (text string) {
	if len(symbols) == 0 {
		return ""
	}
	words := api.Lacking(tree, bd.sibling(ctx, tree.Target), symbols)
	for _, w := range words[:min(len(words), maxExplained)] {
		text += "; " + w
	}
	return text
}

// sibling is the kernel of the standard flavour and the same version as that of t, where the store has it; else nil.
func (bd *builder) sibling(ctx context.Context, t kernels.Target) *kernels.Tree {
	sel, err := kernels.ParseSelector(t.Source)
	spec := bd.plan.Spec
	spec.Offline = true
	source := bd.h.sources(spec)[sel.Source]
	if err != nil || sel.Source != "debian" || source == nil {
		return nil
	}
	sel.Version, sel.Flavour = t.Version, ""
	res, err := source.Resolve(ctx, sel)
	if err != nil {
		return nil
	}
	for _, other := range res.Targets {
		if other.Release == t.Release || other.Version != t.Version {
			continue
		}
		if tree, err := source.Fetch(ctx, other, func(kernels.Progress) {}); err == nil {
			return tree
		}
	}
	return nil
}
