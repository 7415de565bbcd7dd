package lifecycle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/suites"
)

// The types of parameters as .modinfo names them, for which the kernel itself reads and shows the value
// (Linux kernel/params.c). A module may declare others, of which only it knows what they take.
var (
	numberTypes = []string{"byte", "hexint", "short", "ushort", "int", "uint", "long", "ulong", "ullong"}
	boolTypes   = []string{"bool", "invbool"}
)

// checkGiven compares what the module was given with what it shows, and counts the parameters it could compare.
func checkGiven(module *suites.KernelModule) int {
	GinkgoHelper()
	planned, err := module.Planned()
	Expect(err).NotTo(HaveOccurred())
	checked := 0
	for _, given := range planned.Params {
		name, value, _ := strings.Cut(given, "=")
		kind := typeOf(planned, name)
		shown, err := module.Param(name)
		if errors.Is(err, fs.ErrNotExist) {
			note(module, name, "has no file in sysfs")
			continue
		}
		Expect(err).NotTo(HaveOccurred())
		same, comparable := sameValue(kind, value, shown)
		if !comparable {
			note(module, name, "is of type "+strconv.Quote(kind)+", and only the module knows how to show it")
			continue
		}
		Expect(same).To(BeTrue(), "%s of %s was given as %q and is %q", name, module, value, shown)
		checked++
	}
	return checked
}

// readDeclared reads every declared parameter that has a file, and counts them.
func readDeclared(module *suites.KernelModule) int {
	GinkgoHelper()
	planned, err := module.Planned()
	Expect(err).NotTo(HaveOccurred())
	checked := 0
	for _, param := range planned.Declared {
		info, err := os.Stat(filepath.Join(module.Dir(), "parameters", param.Name))
		if errors.Is(err, fs.ErrNotExist) {
			note(module, param.Name, "has no file in sysfs: it is declared with mode 0")
			continue
		}
		Expect(err).NotTo(HaveOccurred())
		if info.Mode().Perm()&0o444 == 0 {
			note(module, param.Name, "is for writing only")
			continue
		}
		_, err = module.Param(param.Name)
		Expect(err).NotTo(HaveOccurred())
		checked++
	}
	return checked
}

// garbageTaker is a module with a parameter that cannot be the word "garbage", and the parameter. The spec is skipped
// where there is none.
func garbageTaker() (*suites.KernelModule, wire.Param) {
	GinkgoHelper()
	for _, module := range modules {
		planned, err := module.Planned()
		Expect(err).NotTo(HaveOccurred())
		for _, param := range planned.Declared {
			kind := strings.TrimPrefix(param.Type, "array of ")
			if slices.Contains(numberTypes, kind) || slices.Contains(boolTypes, kind) {
				return module, param
			}
		}
	}
	Skip("declares no parameter of a type that refuses a word: neither number nor bool")
	return nil, wire.Param{}
}

// sameValue tells whether shown is how the kernel shows a parameter of that type that was given as given.
// comparable is false for a type it does not know.
func sameValue(kind, given, shown string) (same, comparable bool) {
	if kind, isArray := strings.CutPrefix(kind, "array of "); isArray {
		a, b := strings.Split(given, ","), strings.Split(shown, ",")
		if len(b) < len(a) {
			return false, true
		}
		for i := range a { // shown in full where the module keeps no count
			if same, comparable := sameValue(kind, a[i], b[i]); !same || !comparable {
				return same, comparable
			}
		}
		return true, true
	}
	switch {
	case slices.Contains(numberTypes, kind):
		a, err1 := parseNumber(given)
		b, err2 := parseNumber(shown)
		return err1 == nil && err2 == nil && a == b, true
	case slices.Contains(boolTypes, kind):
		return isTrue(given) == isTrue(shown), true
	case kind == "charp", kind == "string":
		return strings.Trim(given, `"`) == shown, true
	}
	return false, false
}

// parseNumber reads a number as kstrtoull and kstrtoll do: decimal, 0x or 0 in front. Negative ones wrap.
func parseNumber(text string) (uint64, error) {
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		n, err := strconv.ParseUint(rest, 0, 64)
		return -n, err
	}
	return strconv.ParseUint(strings.TrimPrefix(text, "+"), 0, 64)
}

// isTrue reads a bool as kstrtobool does; a bool without a value is true.
func isTrue(text string) bool {
	return text == "" || strings.ContainsAny(text[:1], "1yYtT") || strings.EqualFold(text, "on")
}

func typeOf(module wire.Module, name string) string {
	for _, param := range module.Declared {
		if param.Name == name {
			return param.Type
		}
	}
	return ""
}

func note(module *suites.KernelModule, param, what string) {
	AddReportEntry(module.Name()+": "+param+" "+what, ReportEntryVisibilityFailureOrVerbose)
}
