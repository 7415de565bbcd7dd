package harness

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// Plan is a Spec resolved against the world: which module, which targets, which suites. It is plain data, and the
// same Spec against the same world gives the same Plan.
type Plan struct {
	Spec       Spec             `json:"-"`
	Module     results.Module   `json:"module"`
	Targets    []kernels.Target `json:"targets"` // in version order, each once
	Suites     []Suite          `json:"suites"`
	Unresolved []Unresolved     `json:"unresolved,omitempty"`
	Notices    []string         `json:"-"` // what the user should know of the choice

	required map[string]bool // by label: a row that must not be missing
	part     bool            // of a larger question: what its kernels have in common tells nothing
	in       intake
}

// Suite is one Ginkgo package to run in the guest.
type Suite struct {
	Name string `json:"name"`
	Dir  string `json:"-"` // empty for the built-in one
}

// Unresolved is a selector that could not be resolved for a reason of ours; its cells are MISS.
type Unresolved struct {
	Selector string `json:"selector"`
	Release  string `json:"release,omitempty"` // where the kernel is known by name
	Version  string `json:"version,omitempty"`
	Reason   string `json:"reason"`
}

// Label names it in a matrix.
func (u Unresolved) Label() string { return cmp.Or(u.Release, u.Selector) }

// Label names a target in a matrix, in file names and on the command line.
func Label(t kernels.Target) string {
	if t.Profile == "" {
		return t.Release
	}
	return t.Release + "+" + t.Profile
}

// Cells lists what the plan asks for, in the order of the matrix.
func (p *Plan) Cells() []Cell {
	var cells []Cell
	for _, t := range p.labels() {
		for _, s := range p.Suites {
			cells = append(cells, Cell{t, s.Name})
		}
	}
	return cells
}

func (p *Plan) labels() []string {
	var labels []string
	for _, t := range p.Targets {
		labels = append(labels, Label(t))
	}
	for _, u := range p.Unresolved {
		labels = append(labels, u.Label())
	}
	return labels
}

// Digest is "sha256:…" of everything that was planned: two runs with the same digest were asked the same question.
func (p *Plan) Digest() string {
	data, err := json.Marshal(struct {
		*Plan
		Devices []string `json:"devices,omitempty"`
		Modules []string `json:"kernel_modules,omitempty"`
		Plugs   []string `json:"plugs,omitempty"`
		InTree  bool     `json:"compare_in_tree,omitempty"`
	}{p, p.Spec.Devices, p.Spec.Modules, p.Spec.Plugs, p.Spec.CompareInTree})
	if err != nil {
		panic(err) // plain data: cannot happen
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Plan looks at the module and the suites and resolves the selectors; it builds and boots nothing.
// It gives a *UsageError for a mistake of the caller, and an error that wraps ErrNothingMatched when a selector names
// no kernel or none could be resolved. What comes back must be closed.
func (h *Harness) Plan(ctx context.Context, spec Spec) (*Plan, error) {
	in, err := h.takeIn(ctx, spec)
	if err != nil {
		return nil, err
	}
	p := &Plan{Spec: spec, in: in, Notices: in.module.Notes}
	if err := h.fillIn(ctx, p); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (h *Harness) fillIn(ctx context.Context, p *Plan) (err error) {
	if p.Module, err = p.in.about(p.Spec); err != nil {
		return err
	}
	if p.Suites, err = findSuites(p.Spec.Suites); err != nil {
		return &UsageError{err}
	}
	return h.resolve(ctx, p)
}

// suitesDir is the folder of a module in which suites are found by their names.
const suitesDir = "suites"

// notSource names what lies in the module's folder and is none of its source: our own output and configuration, and suites.
// It is the same whichever suites are chosen, and wherever the results go: the source is, too.
func notSource(spec Spec) []string {
	names := []string{"modmatrix.toml", "modmatrix.lock", DefaultConfig().Out, suitesDir}
	for _, d := range append([]string{spec.Out}, spec.Suites...) {
		if name, ok := topBelow(spec.Module, d); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// topBelow gives the name directly below dir under which path lies, if it lies there at all.
func topBelow(dir, path string) (string, bool) {
	absDir, err1 := filepath.Abs(dir)
	absPath, err2 := filepath.Abs(path)
	if err1 != nil || err2 != nil {
		return "", false
	}
	rel, err := filepath.Rel(absDir, absPath)
	if err != nil || rel == "." || strings.HasPrefix(rel, "..") {
		return "", false
	}
	name, _, _ := strings.Cut(rel, string(filepath.Separator))
	return name, true
}

func findSuites(names []string) ([]Suite, error) {
	var suites []Suite
	for _, name := range names {
		s := Suite{Name: Lifecycle}
		if name != Lifecycle {
			dir, err := suiteDir(name)
			if err != nil {
				return nil, err
			}
			s = Suite{Name: filepath.Base(dir), Dir: dir}
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

func (h *Harness) resolve(ctx context.Context, p *Plan) error {
	sources := h.sources(p.Spec)
	lock, err := p.Spec.lock()
	if err != nil {
		return err
	}
	for _, text := range p.Spec.Kernels {
		targets, open := len(p.Targets), len(p.Unresolved)
		if res, pinned := lock.resolution(text); pinned {
			p.add(text, res)
			p.Notices = append(p.Notices, gone(ctx, sources, res.Targets)...)
		} else if p.Spec.Locked {
			return &UsageError{fmt.Errorf("%s is not pinned in %s: modmatrix kernels update", text, cmp.Or(p.Spec.Lock, LockName))}
		} else if err := resolveOne(ctx, p, sources, text); err != nil {
			return err
		}
		p.Notices = append(p.Notices, setApart(p.Targets, targets, sources)...)
		if p.Spec.isRequired(text) {
			p.require(p.Targets[targets:], p.Unresolved[open:])
		}
	}
	p.Notices = append(p.Notices, namesakes(p.Targets)...)
	p.Targets = distinct(p.Targets)
	p.Unresolved = p.stillUnresolved()
	return p.worthRunning()
}

// resolveOne adds to p what one selector names, or why that is not known.
func resolveOne(ctx context.Context, p *Plan, sources map[string]Source, text string) error {
	sel, err := kernels.ParseSelector(text)
	if err != nil {
		return &UsageError{err}
	}
	source, ok := sources[sel.Source]
	if !ok {
		return &UsageError{fmt.Errorf("kernel %q: unknown source %q; known: %s", text, sel.Source, known(sources))}
	}
	res, err := source.Resolve(ctx, sel)
	var partly *kernels.IncompleteError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, kernels.ErrNoMatch):
		return fmt.Errorf("%w: %w", ErrNothingMatched, err)
	case errors.As(err, &partly):
		p.Unresolved = append(p.Unresolved, Unresolved{text, partly.Release, partly.Version, err.Error()})
		return nil
	case err != nil:
		p.Unresolved = append(p.Unresolved, Unresolved{Selector: text, Reason: err.Error()})
		return nil
	}
	p.add(text, res)
	return nil
}

// add takes in what the selector text resolved to.
func (p *Plan) add(text string, res kernels.Resolution) {
	p.Notices = append(p.Notices, res.Notices...)
	p.Targets = append(p.Targets, res.Targets...)
	for _, e := range res.Incomplete {
		p.Unresolved = append(p.Unresolved, Unresolved{text, e.Release, e.Version, e.Error()})
	}
}

// require marks rows that must not be missing.
func (p *Plan) require(targets []kernels.Target, open []Unresolved) {
	if p.required == nil {
		p.required = map[string]bool{}
	}
	for _, t := range targets {
		p.required[Label(t)] = true
	}
	for _, u := range open {
		p.required[u.Label()] = true
	}
}

// stillUnresolved are the rows that no target has and no other selector asked for before.
func (p *Plan) stillUnresolved() []Unresolved {
	seen := map[string]bool{}
	for _, t := range p.Targets {
		seen[Label(t)] = true
	}
	var left []Unresolved
	for _, u := range p.Unresolved {
		if !seen[u.Label()] {
			seen[u.Label()] = true
			left = append(left, u)
		}
	}
	return left
}

// worthRunning asks for one kernel at least that is known by name: a matrix of nothing but unanswered questions helps nobody.
func (p *Plan) worthRunning() error {
	known := func(u Unresolved) bool { return u.Release != "" }
	switch {
	case len(p.Targets) > 0 || slices.ContainsFunc(p.Unresolved, known):
		return nil
	case len(p.Unresolved) > 0:
		return fmt.Errorf("%w: %s", ErrNothingMatched, p.Unresolved[0].Reason)
	}
	return fmt.Errorf("%w: no kernel was named", ErrNothingMatched)
}

func known(sources map[string]Source) string {
	var names []string
	for name := range sources {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// distinct sorts targets by version, oldest first, and drops those that several selectors named.
func distinct(targets []kernels.Target) []kernels.Target {
	slices.SortStableFunc(targets, func(a, b kernels.Target) int {
		return cmp.Or(results.CompareVersions(a.Version, b.Version), cmp.Compare(Label(a), Label(b)))
	})
	return slices.CompactFunc(targets, func(a, b kernels.Target) bool { return Label(a) == Label(b) && a.Arch == b.Arch })
}
