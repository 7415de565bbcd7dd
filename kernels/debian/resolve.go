package debian

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
	"pault.ag/go/debian/version"
)

type kernel struct {
	release string // uname -r, from the package's name
	flavour string
	image   pkg
}

func (k kernel) upstream() string { return k.image.version.Version }

func (k kernel) series() string { return seriesOf(k.upstream()) }

// seriesOf is X.Y of a version; a release candidate is one of what it is a candidate for.
func seriesOf(upstream string) string {
	upstream, _, _ = strings.Cut(upstream, "~")
	parts := strings.SplitN(upstream, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// imageName splits linux-image-RELEASE, RELEASE being an ABI and a flavour: 6.1.0-56-cloud-amd64, 6.12.107+deb13-amd64,
// 6.1.0-0.deb11.52-amd64, 7.3-rc4-amd64, 6.12.117+deb13-arm64-16k. What it was signed from
// (-unsigned) and what debuggers read (-dbg) are no images.
func imageName(a arch.Arch) *regexp.Regexp {
	return regexp.MustCompile(`^linux-image-((\d[0-9a-z.+~]*(?:-(?:\d[0-9a-z.+~]*|rc\d+))*)-((?:[a-z]+[0-9a-z]*-)*` + a.Stem + `(?:-(?:pae|lpae|\d+k))?))$`)
}

type answer struct {
	Found      []choice                   `json:"found"` // the oldest first
	Incomplete []*kernels.IncompleteError `json:"incomplete,omitempty"`
}

// choice is one kernel, and what a person must know about it; "" for nothing.
type choice struct {
	Target kernels.Target `json:"target"`
	Note   string         `json:"note,omitempty"`
}

func (a answer) resolution() kernels.Resolution {
	res := kernels.Resolution{Incomplete: a.Incomplete}
	for _, c := range a.Found {
		res.Targets = append(res.Targets, c.Target)
		if c.Note != "" {
			res.Notices = append(res.Notices, c.Note)
		}
	}
	return res
}

func resolveIn(lists []list, su suite, of arch.Arch, sel kernels.Selector) (answer, error) {
	ix, err := readIndex(lists, func(name string) bool { return strings.HasPrefix(name, "linux-") })
	if err != nil {
		return answer{}, err
	}
	ix = forKernels(ix, of)
	flavour := cmp.Or(sel.Flavour, of.Flavour)
	all := kernelsIn(ix, su, of)
	if len(all) == 0 && of.Debian != build.Debian {
		return answer{}, fmt.Errorf("%w: %s has no kernels for %s", kernels.ErrNoArch, su.name, of.Debian)
	}
	here := slices.DeleteFunc(slices.Clone(all), func(k kernel) bool { return k.flavour != flavour })
	if len(here) == 0 {
		return answer{}, fmt.Errorf("%w: %s has no kernel of flavour %s; it has %s", kernels.ErrNoMatch, su.name, flavour, cmp.Or(strings.Join(flavours(all), " "), "none"))
	}
	if sel.Version == everyRelease {
		seen := map[string]bool{} // of the builds of one release, the newest counts
		here = slices.DeleteFunc(here, func(k kernel) bool {
			older := seen[k.release]
			seen[k.release] = true
			return older
		})
		return chooseEach(ix, lists, su, of, here, nil, func(k kernel) string { return k.release })
	}
	pattern := sel.Version
	if pattern == "" {
		if pattern, err = ownSeries(ix, su, flavour, here); err != nil {
			return answer{}, err
		}
	}
	matching := slices.DeleteFunc(slices.Clone(here), func(k kernel) bool { return !kernels.VersionMatches(pattern, k.upstream()) })
	if len(matching) == 0 {
		return answer{}, fmt.Errorf("%w: %s has no %s; it has %s", kernels.ErrNoMatch, su.name, pattern, strings.Join(versions(ix, here), " "))
	}
	if sel.Several() {
		return chooseEach(ix, lists, su, of, matching, here, kernel.series)
	}
	c, err := choose(ix, lists, su, of, matching, here)
	if partly, ok := errors.AsType[*kernels.IncompleteError](err); ok {
		partly.Reason += "; complete are " + cmp.Or(strings.Join(versions(ix, here), " "), "none")
	}
	return answer{Found: []choice{c}}, err
}

// chooseEach takes the newest complete kernel of every group in matching, the newest of which is first. Without here, the group stands for it.
func chooseEach(ix index, lists []list, su suite, of arch.Arch, matching, here []kernel, group func(kernel) string) (answer, error) {
	var a answer
	for len(matching) > 0 {
		oldest := group(matching[len(matching)-1])
		together := slices.DeleteFunc(slices.Clone(matching), func(k kernel) bool { return group(k) != oldest })
		matching = slices.DeleteFunc(matching, func(k kernel) bool { return group(k) == oldest })
		among := here
		if here == nil {
			among = together
		}
		c, err := choose(ix, lists, su, of, together, among)
		if partly, ok := errors.AsType[*kernels.IncompleteError](err); ok {
			a.Incomplete = append(a.Incomplete, partly)
		} else if err != nil {
			return a, err
		} else {
			a.Found = append(a.Found, c)
		}
	}
	return a, nil
}

// choose takes the newest of matching that is complete, and says which newer ones of its series it is not.
func choose(ix index, lists []list, su suite, of arch.Arch, matching, here []kernel) (choice, error) {
	for _, k := range matching {
		parts, err := ix.partsOf(k)
		if err != nil {
			continue
		}
		target, err := parts.target(k, lists, su, of)
		if err != nil {
			return choice{}, err
		}
		c := choice{Target: target}
		if newer := newest(here, k); newer.release != k.release {
			_, err := ix.partsOf(newer)
			c.Note = stale(k.upstream(), k.series(), newer.upstream(), su.name, err == nil)
		}
		return c, nil
	}
	found := matching[0]
	_, err := ix.partsOf(found)
	lacks := "not what modules are built with"
	if err != nil && strings.HasPrefix(err.Error(), "linux-headers-") {
		lacks = "no headers" // by far the usual case; a table has room for these words
	}
	reason := fmt.Sprintf("%s holds an image of %s, but %s: %v", su.name, found.release, lacks, err)
	return choice{}, &kernels.IncompleteError{Release: found.release, Version: found.upstream(), Reason: reason}
}

func stale(chosen, series, newer, suite string, complete bool) string {
	note := fmt.Sprintf("%s is not the newest %s kernel of %s: there is %s", chosen, series, suite, newer)
	if !complete {
		note += ", but without headers"
	}
	return note
}

// newest is the first of k's series in here, which is sorted.
func newest(here []kernel, k kernel) kernel {
	return here[slices.IndexFunc(here, func(o kernel) bool { return o.series() == k.series() })]
}

// kernelsIn lists the kernels of the chosen lines, the newest first. A metapackage is named like an image, but depends on one.
func kernelsIn(ix index, su suite, of arch.Arch) []kernel {
	var found []kernel
	image := imageName(of)
	for name, pkgs := range ix {
		m := image.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		for _, p := range pkgs {
			if su.chooses(p) && !strings.Contains(p.depends, "linux-image-") {
				found = append(found, kernel{release: m[1], flavour: m[3], image: p})
			}
		}
	}
	slices.SortFunc(found, func(a, b kernel) int {
		return cmp.Or(version.Compare(b.image.version, a.image.version), cmp.Compare(b.release, a.release), cmp.Compare(a.image.suite, b.image.suite))
	})
	return slices.CompactFunc(found, func(a, b kernel) bool { return a.release == b.release && a.image.version == b.image.version })
}

// chooses reports whether kernels may come from the suite that p is in.
func (su suite) chooses(p pkg) bool {
	return slices.ContainsFunc(su.lines, func(l line) bool { return l.chosen && l.suite == p.suite })
}

// ownSeries is the series that the suite's metapackage follows: what a Debian system of that suite runs.
func ownSeries(ix index, su suite, flavour string, here []kernel) (string, error) {
	for _, meta := range ix["linux-image-"+flavour] {
		if su.chooses(meta) {
			return kernel{image: meta}.series(), nil
		}
	}
	return "", fmt.Errorf("%w: %s has no linux-image-%s that says which kernel is its own; name one with @: %s",
		kernels.ErrNoMatch, su.name, flavour, strings.Join(versions(ix, here), " "))
}

// versions names the complete kernels of here, the newest last.
func versions(ix index, here []kernel) []string {
	var names []string
	for _, k := range slices.Backward(here) {
		if _, err := ix.partsOf(k); err == nil && !slices.Contains(names, k.upstream()) {
			names = append(names, k.upstream())
		}
	}
	return names
}

func flavours(all []kernel) []string {
	var names []string
	for _, k := range all {
		names = append(names, k.flavour)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
