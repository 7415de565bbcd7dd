package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// trailer is the line that names a tester, with what they tested on behind it as far as the line has room. It is empty for one
// who did not consent, and where anything fails: the tag says that a patch was tested with success.
func trailer(testedBy string, records []results.Record) string {
	if !results.IsPerson(testedBy) || !(results.Tester{Records: records}).Works() {
		return ""
	}
	line := "Tested-by: " + testedBy
	for _, suffix := range suffixes(records) {
		if len(line)+len(" # ")+len(suffix) <= mailWidth {
			return line + " # " + suffix + "\n"
		}
	}
	return line + "\n"
}

// suffixes say what was tested on, the most telling first.
func suffixes(records []results.Record) (all []string) {
	var devices, series, kernels []string
	for _, rec := range records {
		for _, d := range rec.RealDevices() {
			devices = append(devices, mailed(d.ID))
		}
		if rec.Status == results.Pass {
			series = append(series, mailed(rec.Target.Series()))
			kernels = append(kernels, rec.Target.Label())
		}
	}
	slices.Sort(devices)
	slices.SortFunc(series, results.CompareVersions)
	slices.Sort(kernels)
	devices, series, kernels = slices.Compact(devices), slices.Compact(series), slices.Compact(kernels)
	on := listed(devices, 3)
	for _, k := range []string{"Linux " + strings.Join(series, ", "), results.Plural(len(kernels), "kernel")} {
		if on != "" {
			all = append(all, fmt.Sprintf("%s on %s", on, k))
		} else {
			all = append(all, k)
		}
	}
	if on != "" {
		all = append(all, on)
	}
	return append(all, results.Plural(len(kernels), "kernel"))
}
