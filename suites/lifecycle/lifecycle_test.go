// Package lifecycle is the suite that is run for every module without any configuration: the module is loaded and shows its
// parameters, unloads, leaves nothing behind, loads again, and refuses invalid parameters without harm.
//
// It knows only what the plan says of a module and must never depend on what the module does. A package of several modules is loaded in its order and unloaded in reverse.
package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites"
)

// rounds is how often the modules are reloaded in one spec.
const rounds = 10

var _ = Describe("lifecycle", func() {
	BeforeEach(suites.RequireGuest)
	BeforeEach(ensureLoaded)
	AfterEach(ensureLoaded)

	It("is loaded and live", func() {
		for _, module := range modules {
			Expect(module.State()).To(Equal("Live"), module.Name())
		}
	})

	It("appears under /sys/module", func() {
		for _, module := range modules {
			Expect(module.Dir()).To(BeADirectory())
			Expect(suites.ReadSysfs("module", module.Name(), "initstate")).To(Equal("live"), module.Name())
		}
	})

	It("has the parameters it was given", func() {
		checked := 0
		for _, module := range modules {
			checked += checkGiven(module)
		}
		if checked == 0 {
			Skip("was given no parameter whose value can be read back")
		}
	})

	It("lets its parameters be read", func() {
		checked := 0
		for _, module := range modules {
			checked += readDeclared(module)
		}
		if checked == 0 {
			Skip("declares no parameter that can be read in sysfs")
		}
	})

	It("sets no bad taint flag of its own", func() {
		for _, module := range modules {
			letters, err := module.Taint()
			Expect(err).NotTo(HaveOccurred())
			note(module, "taints the kernel with %q", letters)
			if strings.Contains(letters, "P") {
				note(module, "its licence is not compatible with the GPL (P)")
			}
			Expect(intersection(letters, suites.BadTaint.String())).To(BeEmpty(), "%s has a taint flag that means a fault", module)
		}
	})

	It("unloads", func() {
		unloadAll()
		for _, module := range modules {
			Expect(module.State()).To(BeEmpty(), module.Name())
		}
	})

	It("leaves nothing in /proc/modules and /sys/module", func() {
		unloadAll()
		loaded, err := suites.ProcModules()
		Expect(err).NotTo(HaveOccurred())
		for _, module := range modules {
			for _, other := range loaded {
				Expect(other.Name).NotTo(Equal(module.Name()))
				Expect(other.Holders).NotTo(ContainElement(module.Name()), other.Name)
			}
			_, err := os.Stat(module.Dir())
			Expect(err).To(MatchError(os.ErrNotExist))
		}
	})

	It("releases its device numbers", func() {
		unloadAll()
		before := deviceNumbers()
		loadAll()
		unloadAll()
		Expect(added(before, deviceNumbers())).To(BeEmpty(), "exit does not release every number that init registers")
	})

	It("loads again", func() {
		unloadAll()
		loadAll()
		for _, module := range modules {
			Expect(module.State()).To(Equal("Live"), module.Name())
		}
	})

	It("loads and unloads ten times", func() {
		for round := range rounds {
			By(fmt.Sprintf("round %d of %d", round+1, rounds), func() {
				unloadAll()
				loadAll()
			})
		}
	})

	It("leaves nothing behind each time it is loaded", func() {
		unloadAll()
		before := traces()
		loadAll()
		unloadAll()
		// The kernel may remove things late, with their last reference.
		Eventually(func() []string { return added(before, traces()) }, "3s").Should(BeEmpty(), "exit does not undo what init does")
	})

	It("refuses garbage for a parameter", func() {
		target, param := typedParam()
		unloadAll()
		for _, module := range modules[:slices.Index(modules, target)] {
			Expect(load(module)).To(Succeed())
		}
		Expect(target.Load(param.Name+"=garbage")).To(MatchError(unix.EINVAL),
			"%s is declared as %s: what sets it must refuse a word with EINVAL", param.Name, param.Type)
		Expect(target.State()).To(BeEmpty(), "%s is there although its load was refused", target)
	})

	It("loads after a load that was refused", func() {
		target, param := typedParam()
		unloadAll()
		for _, module := range modules {
			if module == target {
				Expect(module.Load(param.Name+"=garbage")).NotTo(Succeed(), "%s is declared as %s, and takes a word", param.Name, param.Type)
			}
			Expect(load(module)).To(Succeed(), "%s was refused before, for a bad parameter: what was not undone then?", module)
		}
		Expect(target.State()).To(Equal("Live"))
	})

	It("cannot be unloaded while another of its modules uses it", func() {
		skipUnlessUnloadable()
		held := heldByAnother()
		Expect(held.Unload()).To(MatchError(unix.EWOULDBLOCK))
		Expect(held.State()).To(Equal("Live"))
	})

	It("binds a device that is plugged in, and releases it when it is pulled", func() {
		before := bound()
		for _, name := range declared() {
			for n := range plugRounds {
				round(n, []string{name}, func() {
					plugIn(name)
					pullAll([]string{name}, before)
				})
			}
		}
		skipUnlessDrives()
	})

	It("unloads while devices are plugged in, and binds them when it is loaded again", func() {
		names, before := declared(), bound()
		skipUnlessUnloadable()
		for n := range plugRounds {
			round(n, names, func() {
				for _, name := range names {
					plugIn(name)
				}
				had := bound() // perhaps not all yet, of a device with several parts
				unloadAll()
				loadAll()
				Eventually(func() []string { return added(bound(), had) }, bindTime).Should(BeEmpty(),
					"bound when they were plugged in, but not when the module is loaded after them")
				pullAll(names, before)
			})
		}
		skipUnlessDrives()
	})

	It("leaves nothing behind of a device that was pulled", func() {
		names, before := declared(), bound()
		seen := traces()
		for _, name := range names {
			plugIn(name)
		}
		pullAll(names, before)
		Eventually(func() []string { return added(seen, traces()) }, "3s").Should(BeEmpty(), "remove does not undo what probe does")
		skipUnlessDrives()
	})

	It("sets no bad taint flag of the kernel", func() {
		now, err := suites.KernelTaint()
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Since(taintBefore).Bad()).To(BeZero(), "the taint is %s, and was %s when the suite began: the kernel log has the fault", now, taintBefore)
	})

	It("causes no fault in the kernel log", func() {
		Expect(logError).NotTo(HaveOccurred())
		if _, err := kernelLog.Records(); errors.Is(err, suites.ErrLogOverrun) {
			Skip("the module logs more at once than the kernel's log holds: only the host, which reads the console, can check it")
		}
		Expect(kernelLog).To(suites.HaveNoFault())
	})
})

// intersection is the letters that are in a and in b.
func intersection(a, b string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(b, r) {
			return r
		}
		return -1
	}, a)
}

// heldByAnother is a module under test that another one uses. The spec is skipped where there is none.
func heldByAnother() *suites.KernelModule {
	GinkgoHelper()
	for _, module := range modules {
		holders, err := module.Holders()
		Expect(err).NotTo(HaveOccurred())
		if len(holders) > 0 {
			return module
		}
	}
	Skip("none of the modules is used by another")
	return nil
}
