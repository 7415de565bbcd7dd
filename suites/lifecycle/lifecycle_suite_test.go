package lifecycle

import (
	"errors"
	"slices"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/suites"
)

func TestLifecycle(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "lifecycle")
}

// What the suite knows from its start, for the specs that look back at all of it.
var (
	modules     []*suites.KernelModule // in load order
	kernelLog   *suites.KernelLog
	logError    error
	taintAtDawn suites.Taint
)

var _ = BeforeSuite(func() {
	var err error
	if modules, err = suites.Modules(); err != nil {
		return // RequireGuest says so for each spec
	}
	Expect(modules).NotTo(BeEmpty(), "the plan names no module under test")
	kernelLog, logError = suites.OpenKernelLog()
	taintAtDawn, err = suites.KernelTaint()
	Expect(err).NotTo(HaveOccurred())
})

// ensureLoaded brings every module back that a spec before has unloaded, or failed to load, so that the next spec tells
// of itself. It is a node of its own: as a helper, its failures would lie in Ginkgo's code, which calls it.
func ensureLoaded() {
	for _, module := range modules {
		state, err := module.State()
		Expect(err).NotTo(HaveOccurred())
		if state == "" {
			Expect(module.LoadAsPlanned()).To(Succeed(), "bring %s back", module)
			continue
		}
		Expect(state).To(Equal("Live"), "%s is stuck", module)
	}
}

// unloadAll unloads the modules, the last loaded first. The spec is skipped where that cannot be asked for.
func unloadAll() {
	GinkgoHelper()
	skipUnlessUnloadable()
	for _, module := range slices.Backward(modules) {
		Expect(module.Unload()).To(Succeed())
	}
}

// loadAll loads the modules with the parameters of the plan.
func loadAll() {
	GinkgoHelper()
	for _, module := range modules {
		Expect(module.LoadAsPlanned()).To(Succeed())
	}
}

// skipUnlessUnloadable skips the spec for modules that were never meant to go.
func skipUnlessUnloadable() {
	GinkgoHelper()
	for _, module := range modules {
		info, err := module.Info()
		if errors.Is(err, suites.ErrNotLoaded) {
			continue
		}
		Expect(err).NotTo(HaveOccurred())
		if info.Permanent {
			Skip(module.Name() + " cannot be unloaded: it has no exit function ([permanent] in /proc/modules)")
		}
		if info.RefCount < 0 {
			Skip("this kernel cannot unload modules (CONFIG_MODULE_UNLOAD is not set)")
		}
	}
}
