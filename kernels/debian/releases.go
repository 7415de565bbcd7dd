package debian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
)

// everyRelease asks for each kernel, not for the newest of its series; it is no version that a selector can have.
const everyRelease = "each"

// Releases lists every kernel of a flavour ("" for the standard one) that any suite holds, each point release by itself, the
// oldest first; of those that are the same release, the one of the more stable suite. Kernels of which only a part is left
// are Incomplete. A suite that cannot be asked is an error: what it has would be missing unseen. Errors are those of Resolve.
func (s *Source) Releases(ctx context.Context, flavour string) (kernels.Resolution, error) {
	flavour = cmp.Or(flavour, arch)
	answers, _, errs := s.askEvery(ctx, everyRelease, flavour)
	var all listing
	for i, err := range errs {
		switch {
		case errors.Is(err, kernels.ErrNoMatch):
			continue
		case err != nil:
			return kernels.Resolution{}, fmt.Errorf("list the kernels of %s: %w", every[i], unavailable(ctx, err))
		}
		all.add(answers[i])
	}
	if len(all.Targets)+len(all.Incomplete) == 0 {
		return kernels.Resolution{}, fmt.Errorf("list kernels: %w: no suite has one of flavour %s", kernels.ErrNoMatch, flavour)
	}
	return all.resolution(), nil
}

// listing is what the suites hold, each release once.
type listing kernels.Resolution

// add adds what one suite holds, unless an earlier one did: that one is the more stable.
func (l *listing) add(a answer) {
	for _, c := range a.Found {
		if !l.holds(c.Target.Release) {
			l.Targets = append(l.Targets, c.Target)
		}
	}
	for _, e := range a.Incomplete {
		if !slices.ContainsFunc(l.Incomplete, func(o *kernels.IncompleteError) bool { return o.Release == e.Release }) {
			l.Incomplete = append(l.Incomplete, e)
		}
	}
}

func (l *listing) holds(release string) bool {
	return slices.ContainsFunc(l.Targets, func(t kernels.Target) bool { return t.Release == release })
}

// resolution is all of it in the order of versions. What one suite lacks another may have.
func (l *listing) resolution() kernels.Resolution {
	l.Incomplete = slices.DeleteFunc(l.Incomplete, func(e *kernels.IncompleteError) bool { return l.holds(e.Release) })
	slices.SortFunc(l.Targets, func(a, b kernels.Target) int {
		return cmp.Or(compareVersions(a.Version, b.Version), compareVersions(imageVersion(a), imageVersion(b)), cmp.Compare(a.Release, b.Release))
	})
	slices.SortFunc(l.Incomplete, func(a, b *kernels.IncompleteError) int {
		return cmp.Or(compareVersions(a.Version, b.Version), cmp.Compare(a.Release, b.Release))
	})
	return kernels.Resolution(*l)
}
