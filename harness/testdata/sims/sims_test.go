// Package sims_test looks for the devices that the kernel's own simulators give a module under test.
package sims_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/suites"
)

func TestSims(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "sims")
}

var _ = Describe("simulated hardware", func() {
	BeforeEach(suites.RequireGuest)

	It("has radios as soon as mac80211_hwsim is loaded", func() {
		if loaded, err := suites.Module("mac80211_hwsim").Loaded(); err != nil || !loaded {
			Skip("mac80211_hwsim is not loaded")
		}
		Expect(filepath.Glob("/sys/class/ieee80211/phy*")).To(HaveLen(2))
		Expect(filepath.Glob("/sys/class/net/wlan*")).To(HaveLen(2))
	})

	It("has a GPIO chip when gpio-sim is asked for one through configfs", func() {
		if loaded, err := suites.Module("gpio_sim").Loaded(); err != nil || !loaded {
			Skip("gpio_sim is not loaded")
		}
		const chip = "/sys/kernel/config/gpio-sim/chip"
		Expect(os.MkdirAll(chip+"/bank", 0o755)).To(Succeed())
		Expect(suites.WriteSysfs("8", "kernel/config/gpio-sim/chip/bank/num_lines")).To(Succeed())
		Expect(suites.WriteSysfs("1", "kernel/config/gpio-sim/chip/live")).To(Succeed())
		name, err := suites.ReadSysfs("kernel/config/gpio-sim/chip/bank/chip_name")
		Expect(err).NotTo(HaveOccurred())
		Expect(suites.WaitForDevice("/dev/"+name, 10*time.Second)).To(Succeed())
		Expect(suites.ReadSysfs("bus/gpio/devices", name, "uevent")).To(ContainSubstring("DEVNAME=" + name))

		Expect(suites.WriteSysfs("0", "kernel/config/gpio-sim/chip/live")).To(Succeed())
		Expect(os.Remove(chip + "/bank")).To(Succeed())
		Expect(os.Remove(chip)).To(Succeed())
	})
})
