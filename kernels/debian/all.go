package debian

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
	"pault.ag/go/debian/version"
)

const allSuites = "all"

// every are the suites that allSuites means, of those that the archive has; those with the more stable roots come first.
var every = []string{"bullseye", "bullseye-backports", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "forky", "sid", "experimental"}

// resolveAll finds the newest kernel of each series in each supported release, and the newest real-time one where nobody asked for less.
// Suites without any are left out; one that cannot be asked is an error: what it has would be missing unseen.
func (s *Source) resolveAll(ctx context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	answers, notices, err := s.askEvery(ctx, cmp.Or(sel.Version, "*"), sel.Flavour, sel.Architecture())
	if err != nil {
		return kernels.Resolution{}, err
	}
	all := merged{found: map[string][]offer{}, incomplete: map[string]*kernels.IncompleteError{}, notices: notices}
	for i, a := range answers {
		all.add(s.state(every[i], sel.Architecture()), a)
	}
	res := all.resolution()
	if len(res.Targets)+len(res.Incomplete) == 0 {
		return res, fmt.Errorf("%w: no suite has %s of flavour %s", kernels.ErrNoMatch, cmp.Or(sel.Version, "a kernel"), cmp.Or(sel.Flavour, sel.Architecture().Flavour))
	}
	if sel.Version == "" && sel.Flavour == "" {
		return s.addRealtime(ctx, res, sel.Architecture())
	}
	return res, nil
}

// askEvery asks all suites at once, and returns what each of every has.
func (s *Source) askEvery(ctx context.Context, version, flavour string, a arch.Arch) (answers []answer, notices []string, err error) {
	answers, said, errs := make([]answer, len(every)), make([][]string, len(every)), make([]error, len(every))
	var wg sync.WaitGroup
	for i, name := range every {
		sel := kernels.Selector{Source: "debian", Name: name, Version: version, Flavour: flavour, Arch: foreign(a)}
		wg.Go(func() { answers[i], said[i], errs[i] = s.askFor(ctx, sel) })
	}
	wg.Wait()
	return answers, slices.Concat(said...), cmp.Or(errs...)
}

// askFor is ask where a suite that has nothing, or not all of a kernel, is as good an answer as any.
func (s *Source) askFor(ctx context.Context, sel kernels.Selector) (answer, []string, error) {
	a, notices, err := s.ask(ctx, sel)
	if partly, ok := errors.AsType[*kernels.IncompleteError](err); ok {
		return answer{Incomplete: []*kernels.IncompleteError{partly}}, nil, nil
	}
	if errors.Is(err, kernels.ErrNoMatch) {
		return answer{}, nil, nil
	}
	if err != nil {
		err = fmt.Errorf("ask %s: %w", sel.Name, err)
	}
	return a, notices, err
}

// foreign is Debian's word for a where a selector must name it: what names none is of this machine's.
func foreign(a arch.Arch) string {
	if a.Debian == build.Debian {
		return ""
	}
	return a.Debian
}

// addRealtime adds the flavour that is asked for besides the standard one.
func (s *Source) addRealtime(ctx context.Context, res kernels.Resolution, a arch.Arch) (kernels.Resolution, error) {
	if len(res.Targets) == 0 || a.Realtime == "" {
		return res, nil
	}
	newest := res.Targets[len(res.Targets)-1]
	_, name := newest.Origin()
	found, _, err := s.askFor(ctx, kernels.Selector{Source: "debian", Name: name, Version: newest.Version, Flavour: a.Realtime, Arch: foreign(a)})
	if err == nil && len(found.Found)+len(found.Incomplete) == 0 {
		res.Notices = append(res.Notices, fmt.Sprintf("%s has no %s of flavour %s", name, newest.Version, a.Realtime))
	}
	for _, c := range found.Found {
		res.Targets = append(res.Targets, c.Target)
	}
	res.Incomplete = append(res.Incomplete, found.Incomplete...)
	return res, err
}

// merged is the best of several suites, by series.
type merged struct {
	found      map[string][]offer // one of each release, in the order of every
	incomplete map[string]*kernels.IncompleteError
	notices    []string
}

// offer is the newest kernel of a series that the suites of one release have.
type offer struct {
	choice
	base  string
	phase phase
}

func (m *merged) add(st *state, a answer) {
	for _, c := range a.Found {
		series := seriesOf(c.Target.Version)
		o := offer{c, st.suite.base, st.phase()}
		same := func(have offer) bool { return have.base == o.base || have.phase == coming && o.phase == coming }
		i := slices.IndexFunc(m.found[series], same)
		switch {
		case i < 0:
			m.found[series] = append(m.found[series], o)
		case older(imageVersion(m.found[series][i].Target), imageVersion(c.Target)):
			m.found[series][i] = o
		}
	}
	for _, e := range a.Incomplete {
		series := seriesOf(e.Version)
		if best, ok := m.incomplete[series]; !ok || older(best.Version, e.Version) {
			m.incomplete[series] = e
		}
	}
}

// worthwhile are the offers of a series for supported releases, else for what is to become one, else for ended ones. The rest is noted.
func (m *merged) worthwhile(series string) []offer {
	offers := m.found[series]
	for _, p := range []phase{supported, coming, ended} {
		taken := slices.DeleteFunc(slices.Clone(offers), func(o offer) bool { return o.phase != p })
		if len(taken) == 0 {
			continue
		}
		for _, o := range offers {
			if o.phase != p {
				m.noteLeft(o, series, taken)
			}
		}
		return taken
	}
	return nil
}

// noteLeft says what was left out, and why, where it is newer than what was taken, or its release has ended.
func (m *merged) noteLeft(o offer, series string, taken []offer) {
	_, name := o.Target.Origin()
	switch {
	case o.phase == ended:
		m.notices = append(m.notices, fmt.Sprintf("%s of %s is left out: that release is no longer supported (debian:%s@%s names it)", o.Target.Version, name, name, series))
	case !slices.ContainsFunc(taken, func(t offer) bool { return !older(t.Target.Version, o.Target.Version) }):
		m.notices = append(m.notices, fmt.Sprintf("%s of %s is newer, and left out: no release has it yet (debian:%s@%s names it)", o.Target.Version, name, name, series))
	}
}

// resolution is all of it, the oldest first. An incomplete kernel counts where its series has no other; a newer one is noted.
func (m *merged) resolution() kernels.Resolution {
	var a answer
	for series := range m.found {
		for _, o := range m.worthwhile(series) {
			if e := m.incomplete[series]; e != nil && o.Note == "" && older(o.Target.Version, e.Version) {
				o.Note = stale(o.Target.Version, series, e.Version, "all", false)
			}
			taken := func(c choice) bool { return c.Target.Release == o.Target.Release }
			if !slices.ContainsFunc(a.Found, taken) {
				a.Found = append(a.Found, o.choice)
			}
		}
	}
	for series, e := range m.incomplete {
		if _, ok := m.found[series]; !ok {
			a.Incomplete = append(a.Incomplete, e)
		}
	}
	slices.SortFunc(a.Found, func(x, y choice) int {
		return cmp.Or(compareVersions(x.Target.Version, y.Target.Version), cmp.Compare(x.Target.Release, y.Target.Release))
	})
	slices.SortFunc(a.Incomplete, func(x, y *kernels.IncompleteError) int { return compareVersions(x.Version, y.Version) })
	res := a.resolution()
	slices.Sort(m.notices) // they came in the order of a map, or of several suites
	res.Notices = append(res.Notices, slices.Compact(m.notices)...)
	return res
}

// imageVersion is the version of the package that t's image came in: it distinguishes what X.Y.Z does not.
func imageVersion(t kernels.Target) string {
	for _, p := range t.Packages {
		if p.Name == "linux-image-"+t.Release {
			return p.Version
		}
	}
	return t.Version
}

func older(a, b string) bool { return compareVersions(a, b) < 0 }

func compareVersions(a, b string) int {
	va, errA := version.Parse(a)
	vb, errB := version.Parse(b)
	if errA != nil || errB != nil {
		return cmp.Compare(a, b)
	}
	return version.Compare(va, vb)
}

// newerElsewhere says which kernels found in the suite are older than another suite's of the same series, by the indices at hand.
func (st *state) newerElsewhere(ctx context.Context, sel kernels.Selector, a answer) (notices []string) {
	newest := map[string]kernels.Target{} // by series
	for _, name := range every {
		for _, c := range st.src.state(name, st.arch).atHand(ctx, st, sel.Flavour).Found {
			series := seriesOf(c.Target.Version)
			if best, ok := newest[series]; !ok || older(best.Version, c.Target.Version) {
				newest[series] = c.Target
			}
		}
	}
	for _, c := range a.Found {
		series := seriesOf(c.Target.Version)
		if best, ok := newest[series]; ok && c.Note == "" && older(c.Target.Version, best.Version) {
			notices = append(notices, fmt.Sprintf("%s is not the newest %s kernel of the archive: %s has %s (%s@%s)",
				c.Target.Version, series, best.Source[len("debian:"):], best.Version, best.Source, series))
		}
	}
	return notices
}

// atHand is the newest kernel of each series in st, if its index is about as old as that of the suite asking, and of the same archive.
func (st *state) atHand(ctx context.Context, asking *state, flavour string) answer {
	mark, theirs := st.stamp(), asking.stamp()
	if mark.Updated.IsZero() || mark.Gone != "" || mark.Form != stampForm || mark.Given != theirs.Given || theirs.Updated.Sub(mark.Updated) >= maxAge {
		return answer{}
	}
	sel := kernels.Selector{Source: "debian", Name: st.suite.name, Version: "*", Flavour: flavour, Arch: foreign(st.arch)}
	if m, ok := st.recall(sel, mark); ok {
		return m.Answer
	}
	a, _ := st.look(ctx, sel) // that it cannot be read is said when it is asked for
	return a
}

// everyRelease asks for each kernel, not for the newest of its series; it is no version that a selector can have.
const everyRelease = "each"

// Releases lists every kernel of a flavour ("" for the standard one) that any suite holds, each point release by itself, the
// oldest first; of those that are the same release, the one of the more stable suite. Kernels of which only a part is left
// are Incomplete. A suite that cannot be asked is an error: what it has would be missing unseen. Errors are those of Resolve.
func (s *Source) Releases(ctx context.Context, flavour string) (kernels.Resolution, error) {
	a := kernels.Selector{Flavour: flavour}.Architecture()
	flavour = cmp.Or(flavour, a.Flavour)
	answers, _, err := s.askEvery(ctx, everyRelease, flavour, a)
	if err != nil {
		return kernels.Resolution{}, fmt.Errorf("list kernels: %w", kernels.Unavailable(ctx, err))
	}
	res := eachOnce(answers)
	if len(res.Targets)+len(res.Incomplete) == 0 {
		return res, fmt.Errorf("list kernels: %w: no suite has one of flavour %s", kernels.ErrNoMatch, flavour)
	}
	return res, nil
}

// eachOnce is what the suites hold, in the order of versions.
func eachOnce(answers []answer) (res kernels.Resolution) {
	seen := map[string]bool{} // by release: the first suite that has one is the more stable, and what one lacks another may have
	for _, a := range answers {
		for _, c := range a.Found {
			if !seen[c.Target.Release] {
				res.Targets = append(res.Targets, c.Target)
			}
			seen[c.Target.Release] = true
		}
	}
	for _, a := range answers {
		for _, e := range a.Incomplete {
			if !seen[e.Release] {
				res.Incomplete = append(res.Incomplete, e)
			}
			seen[e.Release] = true
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
