package debian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
)

// everyRelease asks for each kernel by itself, not for the newest of its series. No selector that a person types has it: it is
// no version.
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
	if len(all.found)+len(all.incomplete) == 0 {
		return kernels.Resolution{}, fmt.Errorf("list kernels: %w: no suite has one of flavour %s", kernels.ErrNoMatch, flavour)
	}
	return all.resolution(), nil
}

// listing is what the suites hold, by release.
type listing struct {
	found      map[string]kernels.Target
	incomplete map[string]*kernels.IncompleteError
}

// add adds what one suite holds, unless an earlier one did: that one is the more stable.
func (l *listing) add(a answer) {
	if l.found == nil {
		l.found, l.incomplete = map[string]kernels.Target{}, map[string]*kernels.IncompleteError{}
	}
	for _, c := range a.Found {
		if _, have := l.found[c.Target.Release]; !have {
			l.found[c.Target.Release] = c.Target
		}
	}
	for _, e := range a.Incomplete {
		if _, have := l.incomplete[e.Release]; !have {
			l.incomplete[e.Release] = e
		}
	}
}

// resolution is all of it in the order of versions. What one suite lacks another may have.
func (l *listing) resolution() kernels.Resolution {
	var res kernels.Resolution
	for _, t := range l.found {
		res.Targets = append(res.Targets, t)
	}
	for release, e := range l.incomplete {
		if _, have := l.found[release]; !have {
			res.Incomplete = append(res.Incomplete, e)
		}
	}
	slices.SortFunc(res.Targets, func(a, b kernels.Target) int {
		return cmp.Or(compareVersions(a.Version, b.Version), compareVersions(imageVersion(a), imageVersion(b)), cmp.Compare(a.Release, b.Release))
	})
	slices.SortFunc(res.Incomplete, func(a, b *kernels.IncompleteError) int {
		return cmp.Or(compareVersions(a.Version, b.Version), cmp.Compare(a.Release, b.Release))
	})
	return res
}

// eachRelease takes every kernel of here, which is sorted with the newest first, with what of it is missing.
func eachRelease(ix index, lists []list, su suite, here []kernel) (answer, error) {
	var a answer
	seen := map[string]bool{}
	for _, k := range here {
		if seen[k.release] {
			continue // an older build of the same release; what Resolve gives is the newest
		}
		seen[k.release] = true
		c, err := choose(ix, lists, su, []kernel{k}, []kernel{k})
		if partly, ok := errors.AsType[*kernels.IncompleteError](err); ok {
			a.Incomplete = append(a.Incomplete, partly)
			continue
		}
		if err != nil {
			return a, err
		}
		a.Found = append(a.Found, c)
	}
	slices.Reverse(a.Found)
	slices.Reverse(a.Incomplete)
	return a, nil
}
