package harness

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// propose says which bounds would say what was measured, where the kernels that the module passes on lie together and it
// fails beside them. Nothing is proposed for a source that has no place for it.
func propose(c *results.Claims, s said, tried []results.Record) {
	if c.First == "" || s.conf == nil && s.meta == nil {
		return
	}
	good := func(version string) bool {
		return results.CompareVersions(c.First, version) <= 0 && results.CompareVersions(version, c.Last) <= 0
	}
	for i, rec := range tried[1:] { // from old to new
		older, newer := tried[i].Target, rec.Target
		switch {
		case good(newer.Version) && !good(older.Version):
			c.Proposed = append(c.Proposed, s.bound("MIN", newer, older)...)
		case good(older.Version) && !good(newer.Version):
			c.Proposed = append(c.Proposed, s.bound("MAX", older, newer)...)
		}
	}
}

// bound is the line, for each place there is for it, that lets good in and leaves bad out. dkms compares a whole release
// with it, as text: a maximum of 6.12 leaves every 6.11.x in and every 6.12.x out, and a minimum of 6.12 the other way
// round (dkms 3.2.2, VER in dkms.in). So both name the newer side.
func (s said) bound(which string, good, bad results.Target) (lines []results.Proposal) {
	newer, older, meta := bad, good, "Linux-Maximum: "
	if which == "MIN" {
		newer, older, meta = good, bad, "Linux-Minimum: "
	}
	if s.conf != nil {
		line := fmt.Sprintf("BUILD_EXCLUSIVE_KERNEL_%s=%q", which, tellsFrom(newer, older))
		lines = append(lines, results.Proposal{Line: line, Good: good.Version, Bad: bad.Version})
	}
	if s.meta != nil {
		lines = append(lines, results.Proposal{Line: meta + samePrecision(good.Version, "6.1"), Good: good.Version, Bad: bad.Version})
	}
	return lines
}

var releaseNumbers = regexp.MustCompile(`^\d+(?:\.\d+)*(?:-\d+)?`)

// tellsFrom is as much of a target's release as tells it from another one: its series, or else all of its numbers.
func tellsFrom(t, other results.Target) string {
	series := samePrecision(t.Version, "6.1")
	if series != samePrecision(other.Version, "6.1") {
		return series
	}
	return releaseNumbers.FindString(t.Release)
}

// claimNotices says in a line each what of the claims a reader should know.
func claimNotices(c *results.Claims) (lines []string) {
	if c == nil {
		return nil
	}
	if len(c.Broken) > 0 {
		text := "dkms.conf lets it be built for " + strings.Join(c.Broken, ", ") + ", where it fails"
		if c.First != "" {
			text += fmt.Sprintf("; it passes from %s to %s", c.First, c.Last)
		}
		lines = append(lines, text)
	}
	for _, s := range c.Stated {
		switch {
		case len(s.Broken) > 0:
			lines = append(lines, fmt.Sprintf("%s says %q, and it fails on %s", s.Where, s.Text, strings.Join(s.Broken, ", ")))
		case !s.Measured:
			lines = append(lines, fmt.Sprintf("%s says %q, and none of those kernels was measured", s.Where, s.Text))
		}
	}
	for _, p := range c.Proposed {
		lines = append(lines, fmt.Sprintf("%s would say what was measured: it passes on %s and fails on %s", p.Line, p.Good, p.Bad))
	}
	if text := constantNotice(c); text != "" {
		lines = append(lines, text)
	}
	return lines
}

// constantNotice tells of code that no kernel of the matrix had compiled.
func constantNotice(c *results.Claims) string {
	n := len(c.Constant)
	if n == 0 {
		return ""
	}
	first := c.Constant[0]
	never := "never"
	if first.Holds {
		never = "always"
	}
	return fmt.Sprintf("%d of %d conditions on the kernel's version come out the same on every kernel here, e.g. %s: %s %s is %s so; the code for the others was not compiled",
		n, n+c.Varied, first.Where, first.Op, first.Version, never)
}
