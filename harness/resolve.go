package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// resolve asks for the kernels of p, selector by selector: the lock where it has pinned them, else their source.
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
	for _, n := range res.Notices {
		if !slices.Contains(p.Notices, n) { // as of two selectors of one suite
			p.Notices = append(p.Notices, n)
		}
	}
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
	return strings.Join(slices.Sorted(maps.Keys(sources)), ", ")
}

// distinct sorts targets by version, oldest first, and drops those that several selectors named.
func distinct(targets []kernels.Target) []kernels.Target {
	slices.SortStableFunc(targets, func(a, b kernels.Target) int {
		return cmp.Or(results.CompareVersions(a.Version, b.Version), cmp.Compare(Label(a), Label(b)))
	})
	return slices.CompactFunc(targets, func(a, b kernels.Target) bool { return Label(a) == Label(b) && a.Arch == b.Arch })
}
