package results

import (
	"cmp"
	"strings"

	"pault.ag/go/debian/version"
)

// inDebian spells a release candidate as Debian does, so that it comes before what it is a candidate for; a NUL would be the end.
var inDebian = strings.NewReplacer("-rc", "~rc", "\x00", "\x01")

// CompareVersions orders kernel versions and releases as people do: runs of digits count as numbers, so that
// 6.1 < 6.12 < 7.2, and a release candidate comes before what it is a candidate for (6.19-rc3 < 6.19).
// It is a total order; the empty version is the smallest.
func CompareVersions(a, b string) int {
	ordered := version.Compare(version.Version{Version: inDebian.Replace(a)}, version.Version{Version: inDebian.Replace(b)})
	return cmp.Or(cmp.Compare(ordered, 0), strings.Compare(a, b))
}
