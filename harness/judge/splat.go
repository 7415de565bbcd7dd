package judge

import (
	"regexp"
	"slices"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/console"
)

// OwnerOf says whose code s struck in; empty where the report names no function. modules are the names of those under test.
func OwnerOf(s console.Splat, modules []string) results.Owner {
	underTest := func(name string) bool { return slices.Contains(modules, wire.ModuleName(name)) }
	switch {
	case underTest(s.Module), underTest(s.Gone): // code that is gone belonged to the module that was unloaded
		return results.OwnerModule
	case s.Module != "", s.Gone != "":
		return results.OwnerOther
	case s.Function == "":
		return ""
	}
	return results.OwnerCore
}

// Expectation is a fault that a spec provokes on purpose.
type Expectation struct {
	Spec    string
	Pattern string // a regular expression for the splat's title
	Count   int    // how often it must come
}

// matchExpected marks the splats that their specs declared, and returns the declarations that were not met.
func matchExpected(splats []Splat, declared []Expectation) (unmet []Expectation) {
	for _, want := range declared {
		pattern, err := regexp.Compile(want.Pattern)
		left := max(want.Count, 1)
		for i := range splats {
			s := &splats[i]
			if err == nil && left > 0 && !s.Expected && s.Spec == want.Spec && s.Severity.Fault() && pattern.MatchString(s.Title) {
				s.Expected = true
				left--
			}
		}
		if left > 0 {
			want.Count = left
			unmet = append(unmet, want)
		}
	}
	return unmet
}

// probeFailed is how the driver core says that a driver did not take a device (Linux drivers/base/dd.c, call_driver_probe),
// in its older and its newer words. It is no fault to the kernel, and the module loads all the same.
var probeFailed = regexp.MustCompile(`(?m)^\[[ \d.]+\] ([!-~]+: probe of [!-~]+ failed with error -\d+|[!-~]+ [!-~]+: probe with driver [!-~]+ failed with error -\d+)\r?$`)

type failedProbe struct {
	text  string
	start int
}

func failedProbes(log []byte) (found []failedProbe) {
	for _, m := range probeFailed.FindAllSubmatchIndex(log, 100) {
		found = append(found, failedProbe{string(log[m[2]:m[3]]), m[0]})
	}
	return found
}
