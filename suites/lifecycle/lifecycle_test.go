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
			Expect(intersection(letters, suites.BadTaint.String())).To(BeEmpty(), "%s taints the kernel with what no module may", module)
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
		Expect(added(before, deviceNumbers())).To(BeEmpty(), "exit does not give back every number that init registers")
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
		Eventually(func() []string { return added(before, traces()) }, "3s").Should(BeEmpty(), "exit does not take back what init makes")
	})

	It("refuses garbage for a parameter", func() {
		victim, param := garbageTaker()
		unloadAll()
		for _, module := range modules[:slices.Index(modules, victim)] {
			Expect(module.LoadAsPlanned()).To(Succeed())
		}
		Expect(victim.Load(param.Name+"=garbage")).To(MatchError(unix.EINVAL),
			"%s is declared as %s: what sets it must refuse a word with EINVAL", param.Name, param.Type)
		Expect(victim.State()).To(BeEmpty(), "%s is there although its load was refused", victim)
	})

	It("loads after a load that was refused", func() {
		victim, param := garbageTaker()
		unloadAll()
		for _, module := range modules {
			if module == victim {
				Expect(module.Load(param.Name+"=garbage")).NotTo(Succeed(), "%s is declared as %s, and takes a word", param.Name, param.Type)
			}
			Expect(module.LoadAsPlanned()).To(Succeed(), "%s was refused before, for a bad parameter: what was not taken back then?", module)
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
				had := taken() // perhaps not all yet, of a device with several parts
				unloadAll()
				loadAll()
				Eventually(func() []string { return added(taken(), had) }, takeTime).Should(BeEmpty(),
					"taken when they were plugged in, and not when the module is loaded after them")
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
		Eventually(func() []string { return added(seen, traces()) }, "3s").Should(BeEmpty(), "remove does not take back what probe makes")
		skipUnlessDrives()
	})

	It("sets no bad bit in the kernel's taint", func() {
		now, err := suites.KernelTaint()
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Since(taintAtDawn).Bad()).To(BeZero(), "the taint is %s, and was %s when the suite began: the kernel log tells of the fault", now, taintAtDawn)
	})

	It("causes no fault in the kernel log", func() {
		Expect(logError).NotTo(HaveOccurred())
		if _, err := kernelLog.Records(); errors.Is(err, suites.ErrLogOverrun) {
			Skip("the module says more at once than the kernel's log holds: only the host, which reads the console, can tell")
		}
		Expect(kernelLog).To(suites.HaveNoFault())
	})
})

// intersection is the letters of a that are in b as well.
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
