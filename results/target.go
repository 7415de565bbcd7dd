package results

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/results/arch"
	"pault.ag/go/debian/version"
)

// SourceHere is the Source of the machine that a run was carried out on: modules are loaded into its running kernel, without a guest.
const SourceHere = "here"

// Label names a target in a matrix: the release, with +PROFILE where it has one, +here where it is no guest's, and %ARCH where two kernels of
// that release could be of different architectures; the selector, where it was never resolved.
func (t Target) Label() string {
	switch {
	case t.Release == "":
		return t.Source
	case t.Source == SourceHere:
		return t.Release + "+" + SourceHere
	case t.Profile == "":
		return t.Release + t.mark()
	}
	return t.Release + "+" + t.Profile + t.mark()
}

// usual is the architecture that a label does not name. All makes a copy of the table each time, and labels are compared by the million.
var usual = arch.All()[0].Name

// mark is %ARCH, but for the most usual architecture, and where the release says it: Debian's end in the flavour.
func (t Target) mark() string {
	a := t.row()
	if a.Debian == "" || a.Name == usual || a.In(t.Release) {
		return ""
	}
	return "%" + a.Debian
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
		arch.Order(a.Arch, b.Arch),
		CompareVersions(a.Version, b.Version),
		CompareVersions(a.Release, b.Release),
		strings.Compare(a.Flavour, b.Flavour),
		strings.Compare(a.Profile, b.Profile),
		strings.Compare(a.Source, b.Source),
	)
}

// Selector names exactly this target on a command line of this machine.
func (t Target) Selector() string {
	s, a := t.Source, t.row()
	source, _, _ := strings.Cut(s, ":")
	if t.Version != "" && source == "debian" && !strings.Contains(s, "@") {
		s += "@" + t.Version
	}
	implied := false // by the flavour
	if t.Flavour != "" && source == "debian" && t.Flavour != a.Flavour && !strings.Contains(s, "/") {
		s += "/" + t.Flavour
		_, implied = arch.OfFlavour(t.Flavour)
	}
	if t.Profile != "" && !strings.Contains(s, "+") {
		s += "+" + t.Profile
	}
	built := source == "debian" || source == "git" || source == "tar" // on which an architecture can be chosen
	if built && a.Debian != "" && a.Name != arch.Host().Name && !implied && !strings.Contains(s, "%") {
		s += "%" + a.Debian
	}
	return s
}

// Variant is what a target is beside its version: architecture, flavour where it is not the usual one, profile: "x86_64 cloud +kasan".
func (t Target) Variant() string {
	s := t.Arch
	if usual := cmp.Or(t.row().Flavour, t.Arch); t.Flavour != "" && t.Flavour != usual {
		s += " " + strings.TrimSuffix(t.Flavour, "-"+usual)
	}
	if t.Profile != "" {
		s += " +" + t.Profile
	}
	return s
}

// row is the row of its architecture, the zero one where there is none.
func (t Target) row() arch.Arch {
	a, _ := arch.OfMachine(t.Arch)
	return a
}

// Series is the version up to its second number, e.g. 6.12; empty where it has none.
func (t Target) Series() string { return seriesOf.FindString(t.Version) }

var seriesOf = regexp.MustCompile(`^[0-9]+\.[0-9]+`)

// inDebian spells a release candidate as Debian does, so that it comes before what it is a candidate for; a NUL would be the end.
var inDebian = strings.NewReplacer("-rc", "~rc", "\x00", "\x01")

// CompareVersions orders kernel versions and releases as people do: runs of digits count as numbers, so that
// 6.1 < 6.12 < 7.2, and a release candidate comes before what it is a candidate for (6.19-rc3 < 6.19).
// It is a total order; the empty version is the smallest.
func CompareVersions(a, b string) int {
	ordered := version.Compare(version.Version{Version: inDebian.Replace(a)}, version.Version{Version: inDebian.Replace(b)})
	return cmp.Or(cmp.Compare(ordered, 0), strings.Compare(a, b))
}
