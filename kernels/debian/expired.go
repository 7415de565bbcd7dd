package debian

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

var validUntil = regexp.MustCompile(`(?m)^Valid-Until: (.*)$`)

// expired says which indices are past their date: a host may be configured to take them all the same (Acquire::Check-Valid-Until),
// but then newer kernels than those listed are to be expected.
func (st *state) expired() []string {
	releases, _ := filepath.Glob(st.path("lists/*_InRelease"))
	var names []string
	var first time.Time
	for _, path := range releases {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		m := validUntil.FindSubmatch(text)
		if m == nil {
			continue
		}
		end, err := time.Parse(time.RFC1123, strings.TrimSpace(string(m[1])))
		if err != nil || !end.Before(st.src.now()) {
			continue
		}
		_, name, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), "_InRelease"), "_dists_")
		if names = append(names, name); first.IsZero() || end.Before(first) {
			first = end
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return []string{fmt.Sprintf("the archive's index of %s was to be used until %s only: newer kernels may be missing", strings.Join(names, ", "), first.Format(time.DateOnly))}
}
