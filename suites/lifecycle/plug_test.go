package lifecycle

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/suites"
)

const (
	plugRounds = 3     // how often each device comes and goes
	takeTime   = "15s" // for a driver to take a device, or to let go of it
)

// declared are the names of the devices that can be plugged in. The spec is skipped where there are none.
func declared() []string {
	GinkgoHelper()
	names, err := suites.Plugs()
	Expect(err).NotTo(HaveOccurred())
	if len(names) == 0 {
		Skip("no device to plug in is declared: [guest.plug] in modmatrix.toml")
	}
	return names
}

// plugIn plugs in a device, and waits until a driver of the modules has it. It is pulled at the spec's end if the spec
// does not get there.
func plugIn(name string) {
	GinkgoHelper()
	before := len(taken())
	Expect(suites.Plug(name)).To(Succeed())
	DeferCleanup(func() { _ = suites.Unplug(name) }) // which only says that it is out, where it is
	if drives() {
		Eventually(func() int { return len(taken()) }, takeTime).Should(BeNumerically(">", before),
			"%s is plugged in, and no driver of the module takes it: is it in the driver's table of ids? What is for others is not to be declared", name)
	}
}

// pull pulls a device, and waits until no driver of the modules has it.
func pull(name string) {
	GinkgoHelper()
	Expect(suites.Unplug(name)).To(Succeed())
}

// pullAll pulls devices, after which the modules have none that they did not have before.
func pullAll(names, before []string) {
	GinkgoHelper()
	for _, name := range names {
		pull(name)
	}
	Eventually(func() []string { return added(before, taken()) }, takeTime).Should(BeEmpty(), "still taken by the module, after %s was pulled", strings.Join(names, ", "))
}

// taken are the devices that drivers of the modules have.
func taken() []string {
	GinkgoHelper()
	var all []string
	for _, module := range modules {
		devices, err := module.Devices()
		Expect(err).NotTo(HaveOccurred())
		all = append(all, devices...)
	}
	return all
}

// drives tells whether the modules have registered a driver.
func drives() bool {
	GinkgoHelper()
	for _, module := range modules {
		drivers, err := module.Drivers()
		Expect(err).NotTo(HaveOccurred())
		if len(drivers) > 0 {
			return true
		}
	}
	return false
}

// skipUnlessDrives ends a spec in which devices came and went, but nobody can say whether the module cared.
func skipUnlessDrives() {
	GinkgoHelper()
	if !drives() {
		Skip("registers no driver: the devices came and went without harm, and whether it takes them only a suite of its own can tell")
	}
}

// round says in the output of the spec what goes on.
func round(n int, names []string, f func()) {
	By(fmt.Sprintf("%s, round %d of %d", strings.Join(names, ", "), n+1, plugRounds), f)
}
