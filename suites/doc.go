// Package suites is what the author of a suite imports: the module under test, the kernel's log, devices, and the files
// under /proc and /sys, for use with Gomega's matchers.
//
// A suite is an ordinary Ginkgo package. Importing this one reports each spec to the host as it starts, before its first
// line runs: when a spec crashes the kernel, the host knows its name. Nothing has to be called for that, and outside of a
// modmatrix guest nothing is reported and nothing is changed.
//
//	var _ = Describe("fifo", func() {
//		fifo := suites.Module("fifo")
//
//		BeforeEach(suites.RequireGuest)
//
//		It("refuses a capacity of three", func() {
//			Expect(fifo.Unload()).To(Succeed())
//			DeferCleanup(fifo.Restore)
//			Expect(fifo.Load("capacity=3")).To(MatchError(unix.EINVAL))
//		})
//	})
//
// What a suite can rely on, and what it has to do:
//
//   - It runs as root in a guest. PID 1 has loaded the modules under test, with the parameters of modmatrix.toml.
//   - It may unload and load them (Module). At its end they must be loaded again: PID 1 then unloads them and looks for what
//     is left behind.
//   - A spec for some kernels only has a SemVerConstraint of Ginkgo's. One that needs what not every kernel has checks for
//     it (KernelConfig, KernelVersion) and calls Skip with the reason.
//   - A fault in the kernel log fails the suite, even if all specs pass. A spec that causes one on purpose announces it with
//     ExpectSplat; one that wants to fail at the line that caused it uses OpenKernelLog and HaveNoFault.
//   - Run by go test on the author's machine, every spec is skipped (RequireGuest).
//
// Devices can be plugged in and pulled while the module is loaded. modmatrix.toml declares them by name:
//
//	[guest]
//	plug = { kbd = "usb-kbd", card = "edu" }
//
// A spec calls Plug and Unplug. The devices that are bound to the module's drivers are in Module(…).Devices:
//
//	It("releases a keyboard that is pulled while it is open", func() {
//		mykbd := suites.Module("mykbd")
//		Expect(suites.Plug("kbd")).To(Succeed())
//		Eventually(mykbd.Devices, "15s").Should(HaveLen(1))
//		kbd, err := suites.OpenDevice("/dev/mykbd", unix.O_RDONLY)
//		Expect(err).NotTo(HaveOccurred())
//		DeferCleanup(kbd.Close)
//		Expect(suites.Unplug("kbd")).To(Succeed())
//		Expect(kbd.Read(make([]byte, 8))).Error().To(MatchError(unix.ENODEV))
//	})
//
// Other hardware is simulated by the kernel's own modules, which [guest] modules loads before the module under test:
// mac80211_hwsim has two radios; gpio-sim creates the chips that a suite configures in configfs, and must remove again:
//
//	Expect(os.MkdirAll("/sys/kernel/config/gpio-sim/chip/bank", 0o755)).To(Succeed())
//	Expect(suites.WriteSysfs("8", "kernel/config/gpio-sim/chip/bank/num_lines")).To(Succeed())
//	Expect(suites.WriteSysfs("1", "kernel/config/gpio-sim/chip/live")).To(Succeed())
//
// The folder example beside this package has a driver with a suite to start from, and lifecycle is the suite that is run for
// every module. This package must never know how the guest was booted or who judges the results.
package suites
