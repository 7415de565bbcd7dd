package debian

import (
	"slices"
	"strings"
)

// suite is what a suite's name means: which of the archive's suites are read, and which of those kernels are chosen from.
type suite struct {
	name  string // as the selector says it
	base  string // the suite that a root is made of
	lines []line
}

// line is one suite of an archive.
type line struct {
	suite    string
	security bool // it lies in the security archive
	optional bool // it may be missing
	chosen   bool // kernels may come from it; the others only help out
}

// known are the suites that an error names; others are asked for all the same.
var known = []string{"bullseye", "bookworm", "trixie", "forky", "sid", "experimental", "SUITE-backports", "all"}

// suiteOf spells out a suite's name. A release means itself with its -security and -updates; sid has none of these;
// NAME-backports and the like are parts of a release, and experimental is a part of sid.
func suiteOf(name string) suite {
	base, part, _ := strings.Cut(name, "-")
	switch name {
	case "sid", "unstable":
		return suite{name, "sid", []line{{suite: "sid", chosen: true}}}
	case "experimental", "rc-buggy":
		return suite{name, "sid", []line{{suite: "sid"}, {suite: "experimental", chosen: true}}}
	}
	s := suite{name, base, []line{
		{suite: base},
		{suite: base + "-security", security: true, optional: true},
		{suite: base + "-updates", optional: true},
	}}
	if part != "" && !slices.ContainsFunc(s.lines, func(l line) bool { return l.suite == name }) {
		s.lines = append(s.lines, line{suite: name})
	}
	if strings.HasSuffix(part, "-sloppy") {
		s.lines = append(s.lines, line{suite: strings.TrimSuffix(name, "-sloppy")})
	}
	for i := range s.lines {
		l := &s.lines[i]
		l.chosen = part == "" || l.suite == name
		l.optional = l.optional && l.suite != name
	}
	return s
}
