package source

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// lts are the series that kernel.org calls longterm and still maintains, oldest first.
var lts = []string{"5.10", "5.15", "6.1", "6.6", "6.12", "6.18"}

// ltsEvery is after how many series there was a next longterm one, so far at the latest.
const ltsEvery = 6

// tagged is a tag that names a version, with rc 0 for a release.
type tagged struct {
	name string
	version
	rc int
}

var versionTag = regexp.MustCompile(`^v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?:-rc(\d{1,3}))?$`)

func parseTag(name string) (t tagged, ok bool) {
	m := versionTag.FindStringSubmatch(name)
	if m == nil {
		return t, false
	}
	t.name = name
	for i, into := range []*int{&t.major, &t.minor, &t.patch, &t.rc} {
		*into, _ = strconv.Atoi(m[i+1])
	}
	return t, true
}

func (t tagged) series() string { return fmt.Sprintf("%d.%d", t.major, t.minor) }

func compareTags(a, b tagged) int {
	order := func(t tagged) int { // a release comes after its candidates
		if t.rc == 0 {
			return 1000
		}
		return t.rc
	}
	return cmp.Or(cmp.Compare(a.major, b.major), cmp.Compare(a.minor, b.minor), cmp.Compare(a.patch, b.patch), cmp.Compare(order(a), order(b)))
}

// Pick says which of a repository's tags text means, oldest first; none where text is no word for several versions, and is
// for git to make sense of. Such words are a series (6.12 is its newest), a range of series (v6.1..v6.12, with the newest of
// each; either end may be missing), lts (the newest of each longterm series that is there), stable (the newest release) and
// mainline (the newest tag of the development line, which may be a candidate). It looks at nothing but its arguments.
func Pick(tags []string, text string) (names, notices []string) {
	all := versionTags(tags)
	var chosen []tagged
	from, to, isRange := strings.Cut(text, "..")
	switch {
	case text == "lts":
		for _, series := range lts {
			chosen = append(chosen, newest(all, func(t tagged) bool { return t.series() == series && t.rc == 0 })...)
		}
		notices = beyondLTS(all)
	case text == "stable":
		chosen = newest(all, func(t tagged) bool { return t.rc == 0 })
	case text == "mainline":
		chosen = newest(all, func(t tagged) bool { return t.patch == 0 })
	case isRange:
		chosen = inRange(all, from, to)
	default:
		if want, ok := parseTag(text); ok && text[0] != 'v' {
			whole := strings.Count(text, ".") == 1 && want.rc == 0
			chosen = newest(all, func(t tagged) bool { return compareTags(t, want) == 0 || whole && t.series() == want.series() })
		}
	}
	slices.SortFunc(chosen, compareTags)
	return namesOf(chosen), notices
}

// beyondLTS says when there are so many series after the last longterm one that lts may lack some.
func beyondLTS(all []tagged) []string {
	last, _ := parseTag(lts[len(lts)-1])
	later := map[string]bool{}
	for _, t := range all {
		if t.series() != last.series() && !t.before(last.version) {
			later[t.series()] = true
		}
	}
	if len(later) < ltsEvery {
		return nil
	}
	return []string{fmt.Sprintf("%s is the last longterm series that this modmatrix knows, and there are %d series after it: name newer ones by @X.Y", last.series(), len(later))}
}

func versionTags(tags []string) []tagged {
	var all []tagged
	for _, name := range tags {
		if t, ok := parseTag(name); ok {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, compareTags)
	return slices.Compact(all)
}

func newest(all []tagged, fits func(tagged) bool) []tagged {
	for _, t := range slices.Backward(all) {
		if fits(t) {
			return []tagged{t}
		}
	}
	return nil
}

// inRange is the newest of each series from one version to another, both included: an upper end v6.12 includes 6.12.7.
func inRange(all []tagged, from, to string) []tagged {
	low, hasLow := parseTag(from)
	high, hasHigh := parseTag(to)
	if from != "" && !hasLow || to != "" && !hasHigh {
		return nil
	}
	if hasHigh && strings.Count(to, ".") == 1 && high.rc == 0 {
		high.patch = 999
	}
	var chosen []tagged
	for _, t := range all {
		if hasLow && compareTags(t, low) < 0 || hasHigh && compareTags(t, high) > 0 {
			continue
		}
		if last := len(chosen) - 1; last >= 0 && chosen[last].series() == t.series() {
			chosen[last] = t
		} else {
			chosen = append(chosen, t)
		}
	}
	return chosen
}

// nearest are up to five tags that text may have meant: by version, else those that begin like it, else the newest.
func nearest(tags []string, text string) []string {
	const most = 5
	all := versionTags(tags)
	if want, ok := parseTag(strings.TrimSuffix(strings.SplitN(text, "..", 2)[0], ".")); ok && len(all) > 0 {
		at, _ := slices.BinarySearchFunc(all, want, compareTags)
		low := max(0, min(at-2, len(all)-most))
		all = all[low:min(len(all), low+most)]
	} else {
		all = nil
		for _, name := range slices.Sorted(slices.Values(tags)) {
			all = append(all, tagged{name: name})
		}
		slices.SortStableFunc(all, func(a, b tagged) int { return cmp.Compare(common(b.name, text), common(a.name, text)) })
		if len(all) > 0 && common(all[0].name, text) < 2 {
			all = versionTags(tags)
			all = all[max(0, len(all)-most):]
		}
		all = all[:min(len(all), most)]
	}
	return namesOf(all)
}

func namesOf(tags []tagged) (names []string) {
	for _, t := range tags {
		names = append(names, t.name)
	}
	return names
}

// common is how many bytes two words begin with alike.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func noRevision(path, text string, tags []string) error {
	if from, to, ok := strings.Cut(text, ".."); ok {
		low, lowOK := parseTag(from)
		if high, highOK := parseTag(to); lowOK && highOK && compareTags(low, high) > 0 {
			return fmt.Errorf("%w: %s begins after it ends: write %s..%s", kernels.ErrNoMatch, text, to, from)
		}
	}
	if len(tags) == 0 {
		return fmt.Errorf("%w: %s has no revision %s, and no tags at all (a shallow clone? git -C %s fetch --tags)", kernels.ErrNoMatch, path, text, path)
	}
	return fmt.Errorf("%w: %s has no revision %s; its nearest tags are %s", kernels.ErrNoMatch, path, text, strings.Join(nearest(tags, text), " "))
}
