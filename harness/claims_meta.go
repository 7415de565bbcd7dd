package harness

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

var metaBound = regexp.MustCompile(`^Linux-(Minimum|Maximum): *v?(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?) *$`)

// metaBounds lists the lines in a META that say for which kernels a module is, as OpenZFS has them.
func metaBounds(text []byte) (bounds []results.Statement) {
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		m := metaBound.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		b := results.Statement{Where: fmt.Sprintf("META:%d", number), Text: line}
		if m[1] == "Minimum" {
			b.Min = m[2]
		} else {
			b.Max = m[2]
		}
		bounds = append(bounds, b)
	}
	return bounds
}

// letsIn reports whether a version is within a bound: 6.8 as the last one means all of 6.8.x.
func letsIn(b results.Statement, version string) bool {
	if b.Min != "" && results.CompareVersions(version, b.Min) < 0 {
		return false
	}
	return b.Max == "" || results.CompareVersions(samePrecision(version, b.Max), b.Max) <= 0
}

// samePrecision cuts a version to as many numbers as another one has.
func samePrecision(version, like string) string {
	parts := strings.Split(version, ".")
	return strings.Join(parts[:min(len(parts), strings.Count(like, ".")+1)], ".")
}

// holdMeta holds the bounds in META against what was measured.
func holdMeta(bounds []results.Statement, tried []results.Record) []results.Statement {
	bounds = slices.Clone(bounds)
	for i := range bounds {
		b := &bounds[i]
		for _, rec := range tried {
			if !letsIn(*b, rec.Target.Version) {
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
