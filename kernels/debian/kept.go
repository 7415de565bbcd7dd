package debian

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

func keptNote(t kernels.Target) string {
	_, suite := t.Origin()
	return fmt.Sprintf("%s is gone from the archive's %s, and served from the store: once deleted there, it cannot be had again", t.Release, suite)
}

// addKept adds to what the index has for sel, or lacks by err, what the archive dropped and the store kept, if there is any.
func (st *state) addKept(sel kernels.Selector, a answer, err error) (answer, bool, error) {
	if err != nil {
		if sel.Version == "" || !errors.Is(err, kernels.ErrNoMatch) && !errors.As(err, new(*kernels.IncompleteError)) {
			return a, false, err
		}
		t, ok := st.kept(sel, sel.Version)
		if !ok {
			return a, false, err
		}
		return answer{Found: []choice{{t, keptNote(t)}}}, true, nil
	}
	kept := false
	for _, e := range slices.Clone(a.Incomplete) {
		t, ok := st.kept(sel, seriesOf(e.Version))
		if !ok || !kernels.VersionMatches(sel.Version, t.Version) {
			continue
		}
		kept = true
		a.Found = append(a.Found, choice{t, keptNote(t)})
		a.Incomplete = slices.DeleteFunc(a.Incomplete, func(o *kernels.IncompleteError) bool { return o == e })
	}
	slices.SortStableFunc(a.Found, func(x, y choice) int { return compareVersions(x.Target.Version, y.Target.Version) })
	return a, kept, nil
}

// withoutIndex takes the newest kernel that the store has of the suite, where there is no index to ask, and says why.
func (st *state) withoutIndex(ctx context.Context, sel kernels.Selector, err error) (answer, []string, error) {
	t, ok := st.kept(sel, cmp.Or(sel.Version, "*"))
	if !ok || sel.Several() || ctx.Err() != nil {
		return answer{}, nil, err
	}
	return answer{Found: []choice{{t, fmt.Sprintf("%s is the newest that the store has of %s; what the archive has is not known: %v", t.Release, st.suite.name, err)}}}, nil, nil
}

// kept finds the newest kernel in the store that came from the suite, in the flavour that sel asks for.
func (st *state) kept(sel kernels.Selector, version string) (kernels.Target, bool) {
	var found []kernels.Target
	for _, t := range st.src.stored() {
		if t.Source == "debian:"+st.suite.name && t.Flavour == cmp.Or(sel.Flavour, st.arch.Flavour) && t.Machine().Debian == st.arch.Debian && kernels.VersionMatches(version, t.Version) {
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		return kernels.Target{}, false
	}
	return slices.MaxFunc(found, func(a, b kernels.Target) int { return compareVersions(imageVersion(a), imageVersion(b)) }), true
}

func (s *Source) stored() []kernels.Target {
	var found []kernels.Target
	for _, dir := range []string{s.store.Dir(), s.store.Shared()} {
		if dir == "" {
			continue
		}
		files, _ := filepath.Glob(filepath.Join(dir, "trees", "*", layoutFile))
		for _, file := range files {
			var l layout
			id := filepath.Base(filepath.Dir(file))
			if store.ReadJSON(file, &l) != nil || len(l.Target.Packages) == 0 || TreeID(l.Target) != id {
				continue
			}
			if s.has(l.Target) {
				found = append(found, l.Target)
			}
		}
	}
	return found
}

func (s *Source) has(t kernels.Target) bool {
	_, hit := s.store.Look("trees", TreeID(t))
	return hit
}

// whereabouts is whether an archive had all of a target, by the index of that time.
type whereabouts struct {
	Index time.Time `json:"index"`
	Gone  bool      `json:"gone"`
}

// Gone says in one line that the archive no longer has what t, which was resolved earlier, is made of; "" where it has, or
// where no index is at hand. It asks nobody.
func (s *Source) Gone(ctx context.Context, t kernels.Target) string {
	source, name := t.Origin()
	if source != "debian" || len(t.Packages) == 0 || t.Check() != nil {
		return ""
	}
	st := s.stateOf(t)
	mark := st.stamp()
	if mark.Updated.IsZero() || mark.Gone != "" {
		return ""
	}
	file := st.path(filepath.Join("answers", TreeID(t)+".json"))
	var w whereabouts
	if store.ReadJSON(file, &w) != nil || !w.Index.Equal(mark.Updated) {
		gone, err := st.lacks(ctx, t)
		if err != nil {
			return ""
		}
		w = whereabouts{mark.Updated, gone}
		_ = store.WriteJSON(file, w)
	}
	switch {
	case !w.Gone:
		return ""
	case s.has(t):
		return keptNote(t)
	}
	return fmt.Sprintf("%s is gone from the archive's %s, and not in the store: modmatrix kernels update pins what there is now", t.Release, name)
}

func (st *state) lacks(ctx context.Context, t kernels.Target) (bool, error) {
	ix, err := st.packages(ctx, func(name string) bool {
		return slices.ContainsFunc(t.Packages, func(p kernels.Package) bool { return p.Name == name })
	})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(t.Packages, func(p kernels.Package) bool {
		return !slices.ContainsFunc(ix[p.Name], func(have pkg) bool { return have.SHA256 == p.SHA256 })
	}), nil
}

// remembered is what a selector resolved to, and the age of the index that said so.
type remembered struct {
	Selector string    `json:"selector"`
	Index    time.Time `json:"index"`
	Answer   answer    `json:"answer"`
	None     string    `json:"nothing,omitempty"` // why it names nothing; "" where it does
	NoArch   bool      `json:"no_arch,omitempty"`
}

// of is what m says of sel; nothing is no lasting answer where the store has kept what the archive lacks.
func (m remembered) of(st *state, sel kernels.Selector) (answer, error) {
	if m.None == "" {
		return m.Answer, nil
	}
	kind := kernels.ErrNoMatch
	if m.NoArch {
		kind = kernels.ErrNoArch
	}
	a, _, err := st.addKept(sel, answer{}, fmt.Errorf("%w: %s", kind, m.None))
	return a, err
}

// remember notes what sel resolved to, or that it names nothing; that it cannot be noted costs only time.
func (st *state) remember(sel kernels.Selector, a answer, err error) {
	m := remembered{Selector: sel.String(), Index: st.stamp().Updated, Answer: a}
	if err != nil {
		_, why, ok := strings.Cut(err.Error(), kernels.ErrNoMatch.Error()+": ")
		if !ok || !errors.Is(err, kernels.ErrNoMatch) {
			return
		}
		m.Answer, m.None, m.NoArch = answer{}, why, errors.Is(err, kernels.ErrNoArch)
	}
	_ = store.WriteJSON(st.memory(sel), m)
}

func (st *state) memory(sel kernels.Selector) string {
	return st.path(filepath.Join("answers", short(sel.String())+".json"))
}

// recall returns what sel resolved to, or that it names nothing, if that came from the index with that mark.
func (st *state) recall(sel kernels.Selector, mark stamp) (m remembered, ok bool) {
	err := store.ReadJSON(st.memory(sel), &m)
	says := m.None != "" || len(m.Answer.Found)+len(m.Answer.Incomplete) > 0
	return m, err == nil && says && m.Selector == sel.String() && m.Index.Equal(mark.Updated)
}

// short is long enough to distinguish entries of a store.
func short(text string) string { return digest(text)[len("sha256:"):][:16] }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Known are the kernels that selectors resolved to by the indices at hand, unsorted. It asks nobody, and looks at no list of packages.
func (s *Source) Known() (known []kernels.Target) {
	marks, _ := filepath.Glob(filepath.Join(s.store.Dir(), "apt", "*", "stamp.json"))
	for _, path := range marks {
		st := s.stateIn(filepath.Base(filepath.Dir(path)))
		mark := st.stamp()
		answers, _ := filepath.Glob(st.path("answers/*.json"))
		for _, file := range answers {
			var m remembered
			if store.ReadJSON(file, &m) != nil || !m.Index.Equal(mark.Updated) {
				continue
			}
			for _, c := range m.Answer.Found {
				known = append(known, c.Target)
			}
		}
	}
	return known
}
