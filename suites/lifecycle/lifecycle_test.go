package lifecycle

import (
	"fmt"
	"os"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites"
)

// rounds is how often the modules come and go in the spec that wears them out.
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

	It("shows itself under /sys/module", func() {
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

	It("taints the kernel only with what it is", func() {
		for _, module := range modules {
			letters, err := module.Taint()
			Expect(err).NotTo(HaveOccurred())
			note(module, "taints the kernel with %q", letters)
			if strings.Contains(letters, "P") {
				note(module, "its licence is not compatible with the GPL (P)")
			}
			Expect(strings.ContainsAny(letters, suites.BadTaint.String())).To(BeFalse(), "%s: taint %s", module, letters)
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

	It("gives back its device numbers", func() {
		unloadAll()
		before := deviceNumbers()
		loadAll()
		unloadAll()
		Expect(added(before, deviceNumbers())).To(BeEmpty())
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

	It("leaves no more behind with every round", func() {
		unloadAll()
		before := traces()
		loadAll()
		unloadAll()
		// What the kernel takes down asynchronously, after a last reference, may need a moment.
		Eventually(func() []string { return added(before, traces()) }, "3s").Should(BeEmpty())
	})

	It("refuses garbage for a parameter", func() {
		victim, param := garbageTaker()
		unloadAll()
		for _, module := range modules[:slices.Index(modules, victim)] {
			Expect(module.LoadAsPlanned()).To(Succeed())
		}
		Expect(victim.Load(param.Name+"=garbage")).To(MatchError(unix.EINVAL), "%s takes it for %s", param.Name, param.Type)
		Expect(victim.State()).To(BeEmpty())
	})

	It("loads after a load that was refused", func() {
		victim, param := garbageTaker()
		unloadAll()
		for _, module := range modules {
			if module == victim {
				Expect(module.Load(param.Name + "=garbage")).NotTo(Succeed())
			}
			Expect(module.LoadAsPlanned()).To(Succeed())
		}
		Expect(victim.State()).To(Equal("Live"))
	})

	It("stays while another of its modules needs it", func() {
		skipUnlessUnloadable()
		held := heldByAnother()
		Expect(held.Unload()).To(MatchError(unix.EWOULDBLOCK))
		Expect(held.State()).To(Equal("Live"))
	})

	It("takes a device that is plugged in, and lets it go when it is pulled", func() {
		before := taken()
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

	It("unloads while devices are plugged in, and takes them when it is loaded again", func() {
		names, before := declared(), taken()
		skipUnlessUnloadable()
		for n := range plugRounds {
			round(n, names, func() {
				for _, name := range names {
					plugIn(name)
				}
				had := len(taken())
				unloadAll()
				loadAll()
				Eventually(func() int { return len(taken()) }, takeTime).Should(Equal(had))
				pullAll(names, before)
			})
		}
		skipUnlessDrives()
	})

	It("leaves nothing behind of a device that was pulled", func() {
		names, before := declared(), taken()
		seen := traces()
		for _, name := range names {
			plugIn(name)
		}
		pullAll(names, before)
		Eventually(func() []string { return added(seen, traces()) }, "3s").Should(BeEmpty())
		skipUnlessDrives()
	})

	It("sets no bad bit in the kernel's taint", func() {
		now, err := suites.KernelTaint()
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Since(taintAtDawn).Bad()).To(BeZero(), "taint %s, and %s when the suite began", now, taintAtDawn)
	})

	It("causes no fault in the kernel log", func() {
		Expect(logError).NotTo(HaveOccurred())
		Expect(kernelLog).To(suites.HaveNoFault())
	})
})

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
