package results

import (
	"cmp"
	"strings"
)

// Label names a target in a matrix: the release, with +PROFILE where it has one. A target that was never resolved
// has no release, and is named by its selector.
func (t Target) Label() string {
	switch {
	case t.Release == "":
		return t.Source
	case t.Profile == "":
		return t.Release
	}
	return t.Release + "+" + t.Profile
}

// key identifies a target, without what is only known once its tree is there (compiler, digest).
func (t Target) key() Target {
	t.ConfigDigest, t.Compiler = "", ""
	return t
}

func compareTargets(a, b Target) int {
	if (a.Version == "") != (b.Version == "") {
		return CompareVersions(b.Version, a.Version) // what was never resolved comes last
	}
	return cmp.Or(
		CompareVersions(a.Version, b.Version),
		CompareVersions(a.Release, b.Release),
		strings.Compare(a.Flavour, b.Flavour),
		strings.Compare(a.Profile, b.Profile),
		strings.Compare(a.Arch, b.Arch),
		strings.Compare(a.Source, b.Source),
	)
}

// standardFlavours are what a Debian selector means when it names no flavour, by architecture.
var standardFlavours = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}

// Selector names exactly this target on a command line.
func (t Target) Selector() string {
	s := t.Source
	if t.Version != "" && strings.HasPrefix(s, "debian:") && !strings.Contains(s, "@") {
		s += "@" + t.Version
	}
	if t.Flavour != "" && t.Flavour != standardFlavours[t.Arch] && !strings.Contains(s, "/") {
		s += "/" + t.Flavour
	}
	if t.Profile != "" && !strings.Contains(s, "+") {
		s += "+" + t.Profile
	}
	return s
}
