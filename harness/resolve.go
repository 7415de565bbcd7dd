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
	"github.com/modmatrix/modmatrix/results/arch"
)

// Resolve adds the kernels that p's selectors name, one selector after the other: from the pins, else from its source.
func (h *Harness) Resolve(ctx context.Context, p *Plan) error {
	sources := h.sources(p.Spec)
	var none error // the first that says that a selector names nothing
	nowhere := 0   // of Unresolved are such
	for _, sel := range p.Spec.Kernels {
		targets, open := len(p.Targets), len(p.Unresolved)
		text := sel.String()
		res, pinned := p.Spec.Pins[text]
		switch {
		case pinned:
			p.Notices = append(p.Notices, gone(ctx, sources, res.Targets)...)
		case p.Spec.Locked:
			return &UsageError{fmt.Errorf("%s is not pinned in %s: modmatrix kernels update", text, LockName)}
		default:
			var err error
			switch res, err = ask(ctx, sources, sel); {
			case errors.As(err, new(unanswered)):
				p.Unresolved = append(p.Unresolved, Unresolved{Selector: text, Reason: err.Error()})
			case errors.Is(err, ErrNothingMatched) && p.Spec.multiplied(sel):
				p.Notices, none = append(p.Notices, text+" is left out: "+whyNone(err)), cmp.Or(none, err)
			case errors.Is(err, kernels.ErrNoArch):
				nowhere++
				p.Unresolved, none = append(p.Unresolved, Unresolved{Selector: text, Reason: whyNone(err)}), cmp.Or(none, err)
			case err != nil:
				return err
			}
		}
		p.add(text, res)
		p.Notices = append(p.Notices, renameDoubles(p.Targets, targets, sources)...)
		if slices.ContainsFunc(p.Spec.Required, func(r kernels.Selector) bool { return r.String() == text }) {
			p.require(p.Targets[targets:], p.Unresolved[open:])
		}
	}
	p.Notices = append(p.Notices, namesakes(p.Targets)...)
	p.Targets = distinct(p.Targets)
	p.Unresolved = p.stillUnresolved()
	if none != nil && len(p.Targets) == 0 && len(p.Unresolved) == nowhere {
		return none
	}
	return p.worthRunning()
}

// whyNone is why a source has none of what was asked for, without what was.
func whyNone(err error) string {
	_, why, ok := strings.Cut(err.Error(), kernels.ErrNoMatch.Error()+": ")
	if !ok {
		return err.Error()
	}
	return why
}

// multiplied reports whether sel is one of several that a selector became by --arch: not every series has every architecture.
func (s Spec) multiplied(sel kernels.Selector) bool {
	return len(s.Archs) > 1 && sel.TakesArch() && (sel.Arch == "" || slices.Contains(s.Archs, sel.Arch))
}

// Ask returns what each selector names today, in the order given and whatever spec pins; the sources are those of a run of spec.
// An error that wraps ErrNothingMatched says that one names none; what cannot be resolved is an error as well.
func (h *Harness) Ask(ctx context.Context, spec Spec, selectors []kernels.Selector) ([]kernels.Resolution, error) {
	var all []kernels.Resolution
	sources := h.sources(spec)
	for _, sel := range selectors {
		res, err := ask(ctx, sources, sel)
		if err != nil {
			return nil, err
		}
		all = append(all, res)
	}
	return all, nil
}

// unanswered says why a source could not say what a selector names. A plan goes on without it.
type unanswered struct{ error }

// ask asks its source what sel names. A kernel of which a part cannot be had is an Incomplete of the resolution.
func ask(ctx context.Context, sources map[string]Source, sel kernels.Selector) (kernels.Resolution, error) {
	source, ok := sources[sel.Source]
	if !ok {
		return kernels.Resolution{}, &UsageError{fmt.Errorf("kernel %q: unknown source %q; known: %s", sel, sel.Source, strings.Join(slices.Sorted(maps.Keys(sources)), ", "))}
	}
	res, err := source.Resolve(ctx, sel)
	var partly *kernels.IncompleteError
	switch {
	case ctx.Err() != nil:
		return res, ctx.Err()
	case errors.Is(err, kernels.ErrNoMatch):
		return res, fmt.Errorf("%w: %w", ErrNothingMatched, err)
	case errors.As(err, &partly):
		return kernels.Resolution{Incomplete: []*kernels.IncompleteError{{Release: partly.Release, Version: partly.Version, Reason: err.Error()}}}, nil
	case err != nil:
		return kernels.Resolution{}, unanswered{err}
	}
	return res, nil
}

// remembers is a source that knows without asking anybody whether its archive has dropped a kernel since.
type remembers interface {
	Gone(ctx context.Context, t kernels.Target) string
}

func gone(ctx context.Context, sources map[string]Source, targets []kernels.Target) (notices []string) {
	for _, t := range targets {
		name, _ := t.Origin()
		if source, ok := sources[name].(remembers); ok {
			if notice := source.Gone(ctx, t); notice != "" {
				notices = append(notices, notice)
			}
		}
	}
	return notices
}

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

// missingIsError makes an ERROR of a MISS where the kernel is required: that nobody could look is then trouble, not a gap.
func missingIsError(rec results.Record, required bool) results.Record {
	if required && rec.Status == results.Miss {
		rec.Status = results.Error
		rec.Reason = "required, but missing: " + rec.Reason
	}
	return rec
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

// worthRunning requires one kernel at least that is known by name: a matrix of nothing but unanswered questions helps nobody.
func (p *Plan) worthRunning() error {
	known := func(u Unresolved) bool { return u.Release != "" }
	switch {
	case len(p.Targets) > 0 || slices.ContainsFunc(p.Unresolved, known):
		return nil
	case len(p.Unresolved) > 0:
		return fmt.Errorf("%w: %s", kernels.ErrUnavailable, strings.TrimPrefix(p.Unresolved[0].Reason, kernels.ErrUnavailable.Error()+": "))
	}
	return fmt.Errorf("%w: no kernel was named", ErrNothingMatched)
}

// distinct sorts targets by architecture and version, oldest first, and drops those that several selectors named.
func distinct(targets []kernels.Target) []kernels.Target {
	slices.SortStableFunc(targets, func(a, b kernels.Target) int {
		return cmp.Or(arch.Order(a.Arch, b.Arch), results.CompareVersions(a.Version, b.Version), cmp.Compare(Label(a), Label(b)))
	})
	return slices.CompactFunc(targets, func(a, b kernels.Target) bool { return Label(a) == Label(b) })
}

// renamer is a source that has a second name for a kernel, which no other of its version has.
type renamer interface {
	Renamed(t kernels.Target) (kernels.Target, bool)
}

// renameDoubles gives those of targets[first:] whose name is taken their second name, if their source has one; notes say which.
func renameDoubles(targets []kernels.Target, first int, sources map[string]Source) (notes []string) {
	for i, t := range targets[first:] {
		before := targets[:first+i]
		other := slices.IndexFunc(before, func(o kernels.Target) bool { return Label(o) == Label(t) && !slices.Equal(o.Packages, t.Packages) })
		name, _ := t.Origin()
		source, ok := sources[name].(renamer)
		if other < 0 || !ok {
			continue
		}
		renamed, ok := source.Renamed(t)
		if !ok {
			continue
		}
		targets[first+i] = renamed
		note := fmt.Sprintf("%s is another %s than %s, and is called %s", t.Source, Label(t), before[other].Source, Label(renamed))
		if !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return notes
}

// namesakes are notes on kernels that have the name of another one, and will have no row.
func namesakes(targets []kernels.Target) []string {
	var notes []string
	first := map[string]kernels.Target{}
	for _, t := range targets {
		f, ok := first[Label(t)]
		switch {
		case !ok:
			first[Label(t)] = t
		case !slices.Equal(f.Packages, t.Packages):
			notes = append(notes, fmt.Sprintf("%s is another %s than %s and is left out: a matrix has one row for a name; give one of them a CONFIG_LOCALVERSION", t.Source, Label(t), f.Source))
		}
	}
	return notes
}
