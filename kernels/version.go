package kernels

import (
	"slices"
	"strconv"
	"strings"
)

// VersionMatches reports whether version is one that pattern names: 7.2 is any 7.2.x and its release candidates,
// 6.12.107 is itself, 7.* is any 7.x, 6.1..6.12 is any from 6.1 to 6.12.x, and "" or * is every version.
func VersionMatches(pattern, version string) bool {
	tilde := strings.NewReplacer("~", "-")
	pattern, version = tilde.Replace(pattern), tilde.Replace(version)
	if from, to, ok := strings.Cut(pattern, ".."); ok {
		return (from == "" || compareTo(version, from) >= 0) && (to == "" || compareTo(version, to) <= 0)
	}
	if strings.Contains(pattern, "-") {
		return pattern == version
	}
	version, _, _ = strings.Cut(version, "-")
	have := strings.Split(version, ".")
	for i, want := range strings.Split(pattern, ".") {
		if want == "*" || want == "" {
			continue
		}
		if i >= len(have) || have[i] != want {
			return false
		}
	}
	return true
}

// compareTo compares version with the end of a range, as far as the end goes: 6.12.107 is as 6.12 is. A release candidate
// counts as what it is a candidate for.
func compareTo(version, end string) int {
	numbers := func(v string) (all []int) {
		v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "-")
		for word := range strings.SplitSeq(v, ".") {
			n, _ := strconv.Atoi(word)
			all = append(all, n)
		}
		return all
	}
	want := numbers(end)
	have := append(numbers(version), make([]int, len(want))...) // what is missing is 0
	return slices.Compare(have[:len(want)], want)
}
