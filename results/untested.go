package results

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// WhyUntested says why no cell at all was tested, and what to do about it, in one line; empty where one was, or should have been.
func (r *Results) WhyUntested() string {
	var reasons []string
	for _, rec := range r.Records {
		if rec.Status != Skip {
			return ""
		}
		why := rec.Why()
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
	if n := len(reasons) - 1; n == 1 {
		more = " (and 1 other reason)"
	} else if n > 1 {
		more = fmt.Sprintf(" (and %d other reasons)", n)
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

// Why is the reason in one line; a record without one is described by its code, and is never silent.
func (rec Record) Why() string {
	return cmp.Or(Plain(rec.Reason), Plain(string(rec.Code)), string(rec.Status)+" without a reason")
}
