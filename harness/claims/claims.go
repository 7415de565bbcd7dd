// Package claims holds what a module's source says of kernel versions against the kernels that it was built for: the bounds in
// dkms.conf and META, and the conditions on LINUX_VERSION_CODE.
//
// The source is read as text: what a Makefile or a script decides is not seen. No verdict depends on any of it. This package
// must never know how a record came about.
package claims

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Of holds the source in dir against records. The claims are nil where there are none, or nothing was built; notices are a line each.
func Of(dir string, records []results.Record) (c *results.Claims, notices []string, err error) {
	s, err := read(dir)
	if err != nil {
		return nil, nil, err
	}
	c = hold(s, records)
	return c, noticesOf(c), nil
}

func hold(s source, records []results.Record) *results.Claims {
	tried := built(records)
	if len(tried) == 0 || len(s.conditions)+len(s.meta) == 0 && s.conf == nil {
		return nil
	}
	c := &results.Claims{}
	c.Min, c.Max, c.Kernel = bounds(s.conf)
	c.Stated = holdMeta(s.meta, tried)
	holdConditions(c, s.conditions, tried)
	measure(c, tried)
	propose(c, s, tried)
	proposeWidth(c, s, records)
	if reflect.DeepEqual(*c, results.Claims{First: c.First, Last: c.Last}) {
		return nil // a dkms.conf that claims nothing, and nothing to propose for it
	}
	return c
}

// built are the records whose kernels the source was compiled for, or was to be, oldest first. Where it passes on no kernel of an
// architecture, and on some of another, it is not the version that breaks it there.
func built(records []results.Record) (tried []results.Record) {
	passes := map[string]bool{}
	records = slices.DeleteFunc(slices.Clone(records), results.Record.Static) // whether it works there, they do not say
	for _, rec := range records {
		if rec.Status == results.Pass {
			passes[rec.Target.Arch] = true
		}
	}
	tried = slices.DeleteFunc(slices.Clone(records), func(rec results.Record) bool {
		return rec.Status != results.Pass && rec.Status != results.Fail || len(passes) > 0 && !passes[rec.Target.Arch]
	})
	slices.SortStableFunc(tried, func(a, b results.Record) int { return results.CompareVersions(a.Target.Version, b.Target.Version) })
	return tried
}

// holdConditions counts the conditions that came out both ways, and lists the others.
func holdConditions(c *results.Claims, all []results.Condition, tried []results.Record) {
	for _, cond := range all {
		yes, no := false, false
		for _, rec := range tried {
			if n, ok := code(rec.Target.Version); ok {
				h := holds(cond, n)
				yes, no = yes || h, no || !h
			}
		}
		if yes && no {
			c.Varied++
		} else if cond.Holds = yes; yes || no {
			c.Constant = append(c.Constant, cond)
		}
	}
}

// code is LINUX_VERSION_CODE of a version, whose last numbers stop at 255 (Makefile, filechk_version.h); false for no version.
func code(version string) (n int, ok bool) {
	var x, y, z int
	read, _ := fmt.Sscanf(version, "%d.%d.%d", &x, &y, &z)
	return x<<16 + min(y, 255)<<8 + min(z, 255), read >= 2
}

// ordersOf are the results of a comparison of the kernel with the version for which a condition holds.
var ordersOf = map[string][]int{"<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}, "==": {0}, "!=": {-1, 1}}

func holds(c results.Condition, kernel int) bool {
	limit, _ := code(c.Version)
	return slices.Contains(ordersOf[c.Op], cmp.Compare(kernel, limit))
}

// holdMeta holds the bounds in META against what was measured: 6.8 as the last version means all of 6.8.x.
func holdMeta(bounds []results.Statement, tried []results.Record) []results.Statement {
	bounds = slices.Clone(bounds)
	for i := range bounds {
		b := &bounds[i]
		for _, rec := range tried {
			version := rec.Target.Version
			if b.Min != "" && results.CompareVersions(version, b.Min) < 0 ||
				b.Max != "" && results.CompareVersions(first(strings.Count(b.Max, ".")+1, version), b.Max) > 0 {
				continue
			}
			b.Measured = true
			if label := rec.Target.Label(); rec.Status == results.Fail && !slices.Contains(b.Broken, label) {
				b.Broken = append(b.Broken, label)
			}
		}
	}
	return bounds
}

// first are the first n numbers of a version; two are its series.
func first(n int, version string) string {
	parts := strings.Split(version, ".")
	return strings.Join(parts[:min(len(parts), n)], ".")
}

// measure fills in the versions between which the module passes, and where it does not although dkms.conf allows a build.
func measure(c *results.Claims, tried []results.Record) {
	for _, rec := range tried {
		if rec.Status == results.Pass {
			c.First, c.Last = cmp.Or(c.First, rec.Target.Version), rec.Target.Version
		} else if label := rec.Target.Label(); c.Min+c.Max+c.Kernel != "" && !slices.Contains(c.Broken, label) {
			c.Broken = append(c.Broken, label)
		}
	}
	if slices.ContainsFunc(tried, func(rec results.Record) bool { return rec.Status == results.Fail && passes(c, rec.Target) }) {
		c.First, c.Last = "", ""
	}
}

func passes(c *results.Claims, t results.Target) bool {
	return c.First != "" && results.CompareVersions(c.First, t.Version) <= 0 && results.CompareVersions(t.Version, c.Last) <= 0
}

// propose says which bounds would say what was measured, where a block of passes lies beside failures, and the source has bounds.
func propose(c *results.Claims, s source, tried []results.Record) {
	for i, rec := range tried[1:] { // from old to new
		older, newer := tried[i].Target, rec.Target
		switch {
		case passes(c, newer) && !passes(c, older):
			c.Proposed = append(c.Proposed, s.bound("MIN", "Linux-Minimum", newer, older, newer)...)
		case passes(c, older) && !passes(c, newer):
			c.Proposed = append(c.Proposed, s.bound("MAX", "Linux-Maximum", older, newer, newer)...)
		}
	}
}

var releaseNumbers = regexp.MustCompile(`^\d+(?:\.\d+)*(?:-\d+)?`)

// bound is the line, for each place there is for it, that lets good in and leaves bad out. dkms compares a whole release
// with it, as text: a maximum of 6.12 leaves every 6.11.x in and every 6.12.x out, and a minimum of 6.12 the other way
// round (dkms 3.2.2, VER in dkms.in). So both name the newer side, by its series if that differs, else by all of its numbers.
func (s source) bound(conf, meta string, good, bad, newer results.Target) (lines []results.Proposal) {
	add := func(line string) {
		lines = append(lines, results.Proposal{Line: line, Good: good.Version, Bad: bad.Version})
	}
	if s.conf != nil {
		version := first(2, newer.Version)
		if first(2, good.Version) == first(2, bad.Version) {
			version = releaseNumbers.FindString(newer.Release)
		}
		add(fmt.Sprintf("BUILD_EXCLUSIVE_KERNEL_%s=%q", conf, version))
	}
	if s.meta != nil {
		add(meta + ": " + first(2, good.Version))
	}
	return lines
}

func noticesOf(c *results.Claims) (lines []string) {
	if c == nil {
		return nil
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if len(c.Broken) > 0 {
		passes := ""
		if c.First != "" {
			passes = fmt.Sprintf("; it passes from %s to %s", c.First, c.Last)
		}
		add("dkms.conf lets it be built for %s, where it fails%s", strings.Join(c.Broken, ", "), passes)
	}
	for _, s := range c.Stated {
		switch {
		case len(s.Broken) > 0:
			add("%s says %q, and it fails on %s", s.Where, s.Text, strings.Join(s.Broken, ", "))
		case !s.Measured:
			add("%s says %q, and none of those kernels was measured", s.Where, s.Text)
		}
	}
	for _, p := range c.Proposed {
		add("%s would say what was measured: it passes on %s and fails on %s", p.Line, p.Good, p.Bad)
	}
	if n := len(c.Constant); n > 0 { // what they keep for other kernels was compiled on none
		example, always := c.Constant[0], "never"
		if example.Holds {
			always = "always"
		}
		add("%d of %d conditions on the kernel's version come out the same on every kernel here, e.g. %s: %s %s is %s so; the code for the others was not compiled",
			n, n+c.Varied, example.Where, example.Op, example.Version, always)
	}
	return lines
}
