package lifecycle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/suites"
)

// checkGiven compares the parameters that the module was given with those that it shows, and counts them.
func checkGiven(module *suites.KernelModule) int {
	GinkgoHelper()
	planned, err := module.Planned()
	Expect(err).NotTo(HaveOccurred())
	checked := 0
	for _, given := range planned.Params {
		name, value, _ := strings.Cut(given, "=")
		if !canRead(module, name) {
			continue
		}
		shown, err := module.Param(name)
		Expect(err).NotTo(HaveOccurred())
		kind := typeOf(planned, name)
		same, known := sameParam(kind, value, shown)
		if !known {
			note(module, "%s is of type %q, and only the module knows how to show it", name, kind)
			continue
		}
		Expect(same).To(BeTrue(), "%s of %s was given as %q and is %q: what changes it?", name, module, value, shown)
		checked++
	}
	return checked
}

// readDeclared reads every declared parameter that can be read, and counts them.
func readDeclared(module *suites.KernelModule) int {
	GinkgoHelper()
	planned, err := module.Planned()
	Expect(err).NotTo(HaveOccurred())
	checked := 0
	for _, param := range planned.Declared {
		if !canRead(module, param.Name) {
			continue
		}
		_, err := module.Param(param.Name)
		Expect(err).NotTo(HaveOccurred(), "%s of %s is declared with a mode that lets it be read, and cannot be", param.Name, module)
		checked++
	}
	return checked
}

// canRead says whether the parameter is readable in sysfs, and notes why not.
func canRead(module *suites.KernelModule, name string) bool {
	GinkgoHelper()
	info, err := os.Stat(filepath.Join(module.Dir(), "parameters", name))
	if errors.Is(err, fs.ErrNotExist) {
		note(module, "%s has no file in sysfs: it is declared with mode 0", name)
		return false
	}
	Expect(err).NotTo(HaveOccurred())
	if info.Mode().Perm()&0o444 == 0 {
		note(module, "%s is write-only", name)
		return false
	}
	return true
}

// typedParam returns a module and its parameter that cannot be the word "garbage". The spec is skipped where there is none.
func typedParam() (*suites.KernelModule, wire.Param) {
	GinkgoHelper()
	for _, module := range modules {
		planned, err := module.Planned()
		Expect(err).NotTo(HaveOccurred())
		for _, param := range planned.Declared {
			if refusesWords(param.Type) {
				return module, param
			}
		}
	}
	Skip("declares no parameter of a type that refuses a word: neither number nor bool")
	return nil, wire.Param{}
}

func typeOf(module wire.Module, name string) string {
	for _, param := range module.Declared {
		if param.Name == name {
			return param.Type
		}
	}
	return ""
}

// note adds a line to the output of the spec, which is kept whether it passes or not.
func note(module *suites.KernelModule, format string, args ...any) {
	fmt.Fprintf(GinkgoWriter, "%s: %s\n", module, fmt.Sprintf(format, args...))
}
