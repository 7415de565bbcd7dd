package harness

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
)

// Plan is a Spec resolved against the world: which module, which targets, which suites. It is plain data, and the
// same Spec against the same world returns the same Plan.
type Plan struct {
	Spec       Spec             `json:"-"`
	Module     results.Module   `json:"module"`
	Targets    []kernels.Target `json:"targets"` // in version order, each once
	Suites     []Suite          `json:"suites"`
	Unresolved []Unresolved     `json:"unresolved,omitempty"`
	Notices    []string         `json:"-"` // what the user should know of the choice

	required map[string]bool  // by label: a row that must not be missing
	digest   string           // of the whole of which this is a shard; empty: of itself
	shard    int              // which one, from 1; zero: it is the whole
	planned  *results.Planned // the whole; nil: this is it

	part bool // of a larger question: what its kernels have in common means nothing
	in   intake
}

// Suite is one Ginkgo package to run in the guest.
type Suite struct {
	Name string `json:"name"`
	Dir  string `json:"-"` // of its source; empty for the built-in one, and for one of Spec.Ready
}

// Unresolved is a selector that could not be resolved for an infrastructure reason; its cells are MISS.
type Unresolved struct {
	Selector string `json:"selector"`
	Release  string `json:"release,omitempty"` // where the kernel is known by name
	Version  string `json:"version,omitempty"`
	Reason   string `json:"reason"`
}

// Label names it in a matrix.
func (u Unresolved) Label() string { return cmp.Or(u.Release, u.Selector) }

// about is what a record says of it.
func (u Unresolved) about() results.Target {
	return results.Target{Release: u.Label(), Version: u.Version, Source: u.Selector}
}

// Label names a target in a matrix, in file names and on the command line.
func Label(t kernels.Target) string {
	return About(t).Label()
}

// Cells lists what the plan asks for, in the order of the matrix.
func (p *Plan) Cells() []results.Cell {
	var cells []results.Cell
	for _, t := range p.labels() {
		for _, s := range p.Suites {
			cells = append(cells, results.Cell{Target: t, Suite: s.Name})
		}
	}
	return cells
}

// archs are those of the kernels, in uname -m's words and in the order of the matrix.
func (p *Plan) archs() (names []string) {
	for _, t := range p.Targets {
		if !slices.Contains(names, t.Arch) {
			names = append(names, t.Arch)
		}
	}
	return names
}

func (p *Plan) labels() []string {
	return append(listOf(p.Targets, Label), listOf(p.Unresolved, Unresolved.Label)...)
}

// listOf is what f makes of each item.
func listOf[T, U any](items []T, f func(T) U) (list []U) {
	for _, item := range items {
		list = append(list, f(item))
	}
	return list
}

// Digest is "sha256:…" of everything that was planned: two runs with the same digest were asked the same question.
func (p *Plan) Digest() string {
	if p.digest != "" {
		return p.digest
	}
	data, err := json.Marshal([]any{p, p.decided()})
	if err != nil {
		panic(err) // plain data: cannot happen
	}
	return "sha256:" + store.Digest(string(data))
}

// Plan looks at the module and the suites and resolves the selectors; it builds and boots nothing.
// It returns a *UsageError for a mistake of the caller, an error that wraps ErrNothingMatched when a selector names
// no kernel, and one that wraps kernels.ErrUnavailable when none could be resolved. What comes back must be closed.
func (h *Harness) Plan(ctx context.Context, spec Spec) (*Plan, error) {
	p, err := h.PlanModule(ctx, spec)
	if err != nil {
		return nil, err
	}
	err = h.Resolve(ctx, p)
	p.Notices = slices.Concat(p.trust(), p.in.module.Notes, p.Notices, p.noEmulator(ctx))
	if err == nil {
		err = p.checkPackage()
	}
	if err == nil {
		err = p.divide(h)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// PlanModule is Plan without any kernel.
func (h *Harness) PlanModule(ctx context.Context, spec Spec) (*Plan, error) {
	in, err := h.openPackages(ctx, spec)
	if err != nil {
		return nil, err
	}
	p := &Plan{Spec: spec.WithDefaults(), in: in}
	if p.Module, err = in.about(ctx, spec.Bundle); err == nil {
		p.Suites, err = findSuites(spec)
	}
	if err != nil {
		p.Close()
		return nil, &UsageError{err}
	}
	return p, nil
}

// Source is what the module is built from, as it was found.
func (p *Plan) Source() kbuild.Source { return p.in.module.Files }

// Only is p for one kernel, as one step of a search: what a source says of all kernels is held against none of them.
func (p *Plan) Only(t kernels.Target) *Plan {
	one := *p
	one.Targets, one.part = []kernels.Target{t}, true
	return &one
}

// Narrow leaves of p the kernels and suites that keep wants, as one step of the work on a module. It is false, and p as it was,
// where nothing would be left.
func (p *Plan) Narrow(keep func(results.Cell) bool) bool {
	kernel := func(label string) bool {
		return slices.ContainsFunc(p.Suites, func(s Suite) bool { return keep(results.Cell{Target: label, Suite: s.Name}) })
	}
	suite := func(s Suite) bool {
		return slices.ContainsFunc(p.labels(), func(label string) bool { return keep(results.Cell{Target: label, Suite: s.Name}) })
	}
	suites := slices.DeleteFunc(slices.Clone(p.Suites), func(s Suite) bool { return !suite(s) })
	targets := slices.DeleteFunc(slices.Clone(p.Targets), func(t kernels.Target) bool { return !kernel(Label(t)) })
	unresolved := slices.DeleteFunc(slices.Clone(p.Unresolved), func(u Unresolved) bool { return !kernel(u.Label()) })
	if len(targets)+len(unresolved) == 0 {
		return false
	}
	p.part = p.part || len(targets) < len(p.Targets) || len(suites) < len(p.Suites)
	p.Targets, p.Unresolved, p.Suites = targets, unresolved, suites
	return true
}

// notSource names what lies in the module's folder and is none of its source: our own output, of other runs as well, and
// configuration, the list of trusted signers, the store, and suites. It is the same whichever suites are chosen, and wherever the results go: the source is, too.
func notSource(spec Spec, store string) []string {
	names := []string{ConfigName, LockName, OutName, CollectedName, SuitesDir, evidence.SignersName}
	for _, d := range append([]string{spec.Out, store}, spec.Suites...) {
		if name, ok := topBelow(spec.Module, d); ok {
			names = append(names, name)
		}
	}
	entries, _ := os.ReadDir(spec.Module) // it is no folder, or the copy says why it cannot be read
	for _, e := range entries {
		path := filepath.Join(spec.Module, e.Name())
		if e.IsDir() && (results.Made(path) || results.HoldsCollection(path)) || strings.HasSuffix(e.Name(), ".zst") && IsBundle(path) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// topBelow returns the name directly below dir under which path lies, if it lies there at all.
func topBelow(dir, path string) (string, bool) {
	absDir, _ := filepath.Abs(dir) // an error leaves it empty, and no path is below that
	absPath, _ := filepath.Abs(path)
	rel, err := filepath.Rel(absDir, absPath)
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return "", false
	}
	name, _, _ := strings.Cut(rel, string(filepath.Separator))
	return name, true
}

func findSuites(spec Spec) ([]Suite, error) {
	for _, r := range spec.Ready {
		if err := r.Check(); err != nil {
			return nil, err
		}
	}
	var suites []Suite
	for _, name := range spec.Suites {
		s := Suite{Name: name}
		if name != Lifecycle && name != results.Checks && !spec.brings(name) {
			dir, err := suiteDir(name)
			if err != nil {
				return nil, err
			}
			if s = (Suite{Name: filepath.Base(dir), Dir: dir}); s.Name == results.Checks {
				return nil, fmt.Errorf("suite %s: %q is what the static checks are called: rename the folder", dir, s.Name)
			}
		}
		if slices.ContainsFunc(suites, func(o Suite) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("two suites are named %q: rename one folder, or give one of them only", s.Name)
		}
		suites = append(suites, s)
	}
	return suites, nil
}

func suiteDir(name string) (string, error) {
	dir, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("unknown suite %q: neither %q nor a folder", name, Lifecycle)
	}
	tests, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if len(tests) == 0 {
		return "", fmt.Errorf("suite %q: the folder has no *_test.go file; see modmatrix init for a first suite", name)
	}
	return dir, nil
}
