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
	bindTime   = "15s" // for a driver to bind a device, or to release it
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

// plugIn plugs in a device, and waits until a driver of the modules has bound it. A spec that fails has it pulled.
func plugIn(name string) {
	GinkgoHelper()
	before := len(bound())
	Expect(suites.Plug(name)).To(Succeed())
	DeferCleanup(func() { _ = suites.Unplug(name) }) // an error where it is pulled already
	if drives() {
		Eventually(func() int { return len(bound()) }, bindTime).Should(BeNumerically(">", before),
			"%s is plugged in, but no driver of the module binds it: is it in the driver's id table? A device for other drivers must not be declared", name)
	}
}

// pullAll pulls devices, and waits until the modules' drivers have released them.
func pullAll(names, before []string) {
	GinkgoHelper()
	for _, name := range names {
		Expect(suites.Unplug(name)).To(Succeed())
	}
	Eventually(func() []string { return added(before, bound()) }, bindTime).Should(BeEmpty(), "still bound to the module, after %s was pulled", strings.Join(names, ", "))
}

// bound are the devices that are bound to drivers of the modules.
func bound() []string {
	GinkgoHelper()
	var all []string
	for _, module := range modules {
		devices, err := module.Devices()
		Expect(err).NotTo(HaveOccurred())
		all = append(all, devices...)
	}
	return all
}

// drives says whether the modules have registered a driver.
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

// skipUnlessDrives ends a spec that could not check whether the module binds the devices.
func skipUnlessDrives() {
	GinkgoHelper()
	if !drives() {
		Skip("registers no driver: the devices were plugged in and pulled without harm, and only a suite of its own can check whether it uses them")
	}
}

// round names a round in the output of the spec.
func round(n int, names []string, f func()) {
	By(fmt.Sprintf("%s, round %d of %d", strings.Join(names, ", "), n+1, plugRounds), f)
}
