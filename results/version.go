package results

import (
	"cmp"
	"strings"
)

// CompareVersions orders kernel versions and releases as people do: runs of digits count as numbers, so that
// 6.1 < 6.12 < 7.2, and a release candidate comes before what it is a candidate for (6.19-rc3 < 6.19).
// It is a total order; the empty version is the smallest.
func CompareVersions(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		var p, q string
		p, x = chunk(x)
		q, y = chunk(y)
		if c := compareChunks(p, q); c != 0 {
			return c
		}
	}
	if candidate(x) != candidate(y) { // one is the other's release candidate
		return cmp.Compare(len(y), len(x))
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// candidate says whether what is left of a version makes it come before the version without it.
func candidate(rest string) bool {
	return strings.HasPrefix(rest, "-rc") || strings.HasPrefix(rest, "~")
}

// chunk cuts the leading run of digits, or of anything but digits, off s.
func chunk(s string) (head, tail string) {
	rest := strings.TrimLeft(s, "0123456789")
	if rest == s {
		rest = s[strings.IndexAny(s+"0", "0123456789"):]
	}
	return s[:len(s)-len(rest)], rest
}

func compareChunks(p, q string) int {
	if !isDigit(p[0]) || !isDigit(q[0]) {
		if candidate(p) != candidate(q) {
			return cmp.Compare(boolInt(candidate(q)), boolInt(candidate(p)))
		}
		return strings.Compare(p, q)
	}
	p, q = strings.TrimLeft(p, "0"), strings.TrimLeft(q, "0")
	return cmp.Or(cmp.Compare(len(p), len(q)), strings.Compare(p, q)) // of any length: numbers are never parsed
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
