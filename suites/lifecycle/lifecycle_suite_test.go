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

// Set before the first spec.
var (
	modules     []*suites.KernelModule // in load order
	kernelLog   *suites.KernelLog
	logError    error
	taintBefore suites.Taint
)

var _ = BeforeSuite(func() {
	var err error
	if modules, err = suites.Modules(); err != nil {
		return // RequireGuest says so for each spec
	}
	Expect(modules).NotTo(BeEmpty(), "the plan names no module under test")
	kernelLog, logError = suites.OpenKernelLog()
	taintBefore, err = suites.KernelTaint()
	Expect(err).NotTo(HaveOccurred())
})

// ensureLoaded reloads the modules that the spec before has left unloaded, so that specs do not depend on each other. It is
// no GinkgoHelper: its failures would be located in Ginkgo's code, which calls it.
func ensureLoaded() {
	for _, module := range modules {
		state, err := module.State()
		Expect(err).NotTo(HaveOccurred())
		if state == "" {
			Expect(load(module)).To(Succeed(), "reload %s, which %s", module, loadedBefore)
			continue
		}
		Expect(state).To(Equal("Live"), "%s is stuck: its init or exit function does not return", module)
	}
}

// unloadAll unloads the modules, the last loaded first. The spec is skipped where they cannot be unloaded.
func unloadAll() {
	GinkgoHelper()
	skipUnlessUnloadable()
	for _, module := range slices.Backward(modules) {
		err := module.Unload()
		Expect(err).NotTo(HaveOccurred(), func() string { return whyItStays(module, err) })
	}
	readLog()
}

// whyItStays says why a module does not unload.
func whyItStays(module *suites.KernelModule, refused error) string {
	info, err := module.Info()
	if !errors.Is(refused, unix.EWOULDBLOCK) || err != nil {
		return fmt.Sprintf("%s does not unload", module)
	}
	if len(info.Holders) > 0 {
		return fmt.Sprintf("%s does not unload: %s is loaded and uses it", module, strings.Join(info.Holders, ", "))
	}
	return fmt.Sprintf("%s does not unload, since its reference count is %d: each try_module_get needs its module_put", module, info.RefCount)
}

const loadedBefore = "loaded before: what does its exit function not undo? The kernel log has the kernel's reason"

// load loads a module with the parameters of the plan. Another of the modules may have had the kernel load it meanwhile.
func load(module *suites.KernelModule) error {
	err := module.LoadAsPlanned()
	if state, _ := module.State(); errors.Is(err, unix.EEXIST) && state == "Live" {
		return nil
	}
	return err
}

// loadAll loads the modules with the parameters of the plan.
func loadAll() {
	GinkgoHelper()
	for _, module := range modules {
		Expect(load(module)).To(Succeed(), "%s %s", module, loadedBefore)
	}
	readLog()
}

// readLog reads the kernel log so far: a driver that logs much at each load would overrun it, 128 KiB on many kernels, in the
// course of the suite. Its errors are reported by the spec that checks the log.
func readLog() {
	if logError == nil {
		_, _ = kernelLog.Records()
	}
}

// skipUnlessUnloadable skips the spec for modules that cannot be unloaded.
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
