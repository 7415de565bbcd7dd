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
// The folder example beside this package holds a driver with a suite to start from, and lifecycle the suite that is run
// for every module. This package must never know how the guest was booted or who judges the results.
package suites
