package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

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
			Expect(module.LoadAsPlanned()).To(Succeed(), "bring %s back, which %s", module, notTakenBack)
			continue
		}
		Expect(state).To(Equal("Live"), "%s is stuck: its init or exit function does not return", module)
	}
}

// unloadAll unloads the modules, the last loaded first. The spec is skipped where that cannot be asked for.
func unloadAll() {
	GinkgoHelper()
	skipUnlessUnloadable()
	for _, module := range slices.Backward(modules) {
		err := module.Unload()
		Expect(err).NotTo(HaveOccurred(), func() string { return whyItStays(module, err) })
	}
	listen()
}

// whyItStays says what keeps a module that does not unload.
func whyItStays(module *suites.KernelModule, refused error) string {
	info, err := module.Info()
	if !errors.Is(refused, unix.EWOULDBLOCK) || err != nil {
		return fmt.Sprintf("%s does not unload", module)
	}
	if len(info.Holders) > 0 {
		return fmt.Sprintf("%s does not unload: %s is loaded and uses it", module, strings.Join(info.Holders, ", "))
	}
	return fmt.Sprintf("%s does not unload, since its reference count is %d: what is taken, such as by try_module_get, must be given back", module, info.RefCount)
}

// notTakenBack is why a module that was loaded before does not load.
const notTakenBack = "loaded before: what has it not taken back since? The kernel log has the kernel's own reason"

// loadAll loads the modules with the parameters of the plan.
func loadAll() {
	GinkgoHelper()
	for _, module := range modules {
		Expect(module.LoadAsPlanned()).To(Succeed(), "%s %s", module, notTakenBack)
	}
	listen()
}

// listen takes in what the kernel has said so far. A driver that tells much at each load says more in the course of the
// suite than the kernel's log holds, 128 KiB on many. What went wrong with it shows when the log is looked at.
func listen() {
	if logError == nil {
		_, _ = kernelLog.Records()
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
