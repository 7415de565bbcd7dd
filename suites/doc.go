// Package suites is what the author of a suite imports: the module under test, the kernel's log, and the files under
// /proc, /sys and /dev through which a driver is seen, in words that read well beside Gomega's.
//
// A suite is an ordinary Ginkgo package. Importing this one makes each of its specs known to the host the moment it
// starts, before its first line runs: when a spec takes the kernel down with it, its name has left the guest. Nothing
// needs to be called for that, and outside of a modmatrix guest nothing is reported and nothing is touched.
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
// The suite runs in a guest of its own, as root, with the modules under test already loaded by PID 1 and the parameters
// that modmatrix.toml gives them. It may unload and load them as it likes; at its end they must be loaded again, for
// PID 1 unloads them and looks at what is left behind. A spec for some kernels only says so with Ginkgo's
// SemVerConstraint; one that finds its kernel lacking says why with Skip. One that provokes a fault of the kernel on
// purpose says so with ExpectSplat; every other fault fails the suite, whatever its specs say.
//
// Hardware can come and go while the module is loaded: modmatrix.toml declares it under a name, as in
//
//	[guest]
//	plug = { kbd = "usb-kbd", card = "edu" }
//
// and a spec asks for it with Plug and Unplug. What the module's drivers have taken is in Module(…).Devices:
//
//	It("lets go of a keyboard that is pulled while it is open", func() {
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
// Other hardware is simulated by modules of the kernel's own, which [guest] modules loads before the module under test:
// mac80211_hwsim has two radios at once; gpio-sim makes chips where a suite asks for them, in configfs:
//
//	Expect(os.MkdirAll("/sys/kernel/config/gpio-sim/chip/bank", 0o755)).To(Succeed())
//	Expect(suites.WriteSysfs("8", "kernel/config/gpio-sim/chip/bank/num_lines")).To(Succeed())
//	Expect(suites.WriteSysfs("1", "kernel/config/gpio-sim/chip/live")).To(Succeed())
//
// What a suite has made there it must take back before its end.
//
// The folder example beside this package holds a driver with a suite to start from, and lifecycle the suite that is run
// for every module. This package must never know how the guest was booted or who judges the results.
package suites
