package results

import (
	"fmt"
	"slices"
	"strings"
)

// nothingTested heads the line that tells of a matrix without a single test, which must not look like success.
const nothingTested = "NOTHING WAS TESTED"

// untested says why no cell at all was tested, and what to do about it, in one line; empty where one was, or should have been.
func (r *Results) untested() string {
	var reasons []string
	for _, rec := range r.Records {
		if rec.Status != Skip {
			return ""
		}
		why := rec.why()
		if rec.Target.Release != "" { // what is said of each kernel by its name is one reason
			why = strings.ReplaceAll(why, rec.Target.Release, "the kernel")
		}
		if !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	cells := "the only cell was skipped"
	if n := len(r.Records); n > 1 {
		cells = fmt.Sprintf("all %d cells were skipped", n)
	}
	more := ""
	if n := len(reasons) - 1; n > 0 {
		more = fmt.Sprintf(" (and %s)", plural(n, "other reason"))
	}
	return fmt.Sprintf("%s: %s%s; %s", cells, reasons[0], more, skipCure(r.Records[0]))
}

// skipCure is how a cell that was skipped as rec was comes to be tested.
func skipCure(rec Record) string {
	switch {
	case rec.Code == CodeInTree:
		return "without --defer-in-tree it is tested all the same"
	case rec.Code == CodeConfigMissing:
		return "choose kernels that have it with -k"
	case rec.Stage == StageTest:
		return "choose kernels that its specs are for with -k, or other specs with --focus or --suite"
	}
	return "choose kernels that the module is for with -k"
}
