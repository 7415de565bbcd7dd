package debian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/modmatrix/modmatrix/kernels"
	"pault.ag/go/debian/version"
)

// allSuites is the name that means every suite.
const allSuites = "all"

// every are the suites that allSuites means, as far as the archive has them; of two that hold the same kernel, the one that comes
// first is taken: its root is the more stable one.
var every = []string{"bullseye", "bullseye-backports", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "forky", "sid", "experimental"}

// resolveAll finds the newest kernel of each series that any suite has. A suite that the archive does not have, or that has no
// such kernel, is left out; one that cannot be asked is an error: what it has would be missing unseen.
func (s *Source) resolveAll(ctx context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	answers, notices, errs := make([]answer, len(every)), make([][]string, len(every)), make([]error, len(every))
	var wg sync.WaitGroup
	for i, name := range every {
		sub := kernels.Selector{Source: sel.Source, Name: name, Version: cmp.Or(sel.Version, "*"), Flavour: sel.Flavour}
		wg.Go(func() { answers[i], notices[i], errs[i] = s.ask(ctx, sub) })
	}
	wg.Wait()
	var all merged
	for i, err := range errs {
		partly, incomplete := errors.AsType[*kernels.IncompleteError](err)
		switch {
		case incomplete:
			all.addIncomplete(partly)
			continue
		case errors.Is(err, kernels.ErrNoMatch):
			continue
		case err != nil:
			return kernels.Resolution{}, err
		}
		all.add(answers[i])
		all.notices = append(all.notices, notices[i]...)
	}
	res := all.resolution()
	if len(res.Targets)+len(res.Incomplete) == 0 {
		return res, fmt.Errorf("%w: no suite has %s of flavour %s", kernels.ErrNoMatch, cmp.Or(sel.Version, "a kernel"), cmp.Or(sel.Flavour, arch))
	}
	return res, nil
}

// merged is the best of several suites, by series.
type merged struct {
	found      map[string]choice
	incomplete map[string]*kernels.IncompleteError
	notices    []string
}

func (m *merged) add(a answer) {
	for _, c := range a.Found {
		series := seriesOf(c.Target.Version)
		if best, ok := m.found[series]; !ok || older(imageVersion(best.Target), imageVersion(c.Target)) {
			if m.found == nil {
				m.found = map[string]choice{}
			}
			m.found[series] = c
		}
	}
	for _, e := range a.Incomplete {
		m.addIncomplete(e)
	}
}

func (m *merged) addIncomplete(e *kernels.IncompleteError) {
	series := seriesOf(e.Version)
	if best, ok := m.incomplete[series]; !ok || older(best.Version, e.Version) {
		if m.incomplete == nil {
			m.incomplete = map[string]*kernels.IncompleteError{}
		}
		m.incomplete[series] = e
	}
}

// resolution is all of it, the oldest first. A kernel that is not complete counts where its series has none that is; a newer
// one is told of.
func (m *merged) resolution() kernels.Resolution {
	var a answer
	for series, c := range m.found {
		if e := m.incomplete[series]; e != nil && older(c.Target.Version, e.Version) {
			c.Note = stale(c.Target.Version, series, e.Version, "all", false)
		}
		a.Found = append(a.Found, c)
	}
	for series, e := range m.incomplete {
		if _, ok := m.found[series]; !ok {
			a.Incomplete = append(a.Incomplete, e)
		}
	}
	slices.SortFunc(a.Found, func(x, y choice) int { return compareVersions(x.Target.Version, y.Target.Version) })
	slices.SortFunc(a.Incomplete, func(x, y *kernels.IncompleteError) int { return compareVersions(x.Version, y.Version) })
	res := a.resolution()
	for _, n := range m.notices {
		if !slices.Contains(res.Notices, n) {
			res.Notices = append(res.Notices, n)
		}
	}
	return res
}

// imageVersion is the version of the package that t's image came in: it tells apart what X.Y.Z does not.
func imageVersion(t kernels.Target) string {
	for _, p := range t.Packages {
		if p.Name == "linux-image-"+t.Release {
			return p.Version
		}
	}
	return t.Version
}

func older(a, b string) bool { return compareVersions(a, b) < 0 }

// compareVersions orders as dpkg does.
func compareVersions(a, b string) int {
	va, errA := version.Parse(a)
	vb, errB := version.Parse(b)
	if errA != nil || errB != nil {
		return cmp.Compare(a, b)
	}
	return version.Compare(va, vb)
}
