package suites_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites"
)

// A module refuses a parameter and logs why. It is loaded again for the specs that follow.
func ExampleModule() {
	var log *suites.KernelLog
	BeforeEach(func() {
		suites.RequireGuest()
		var err error
		log, err = suites.OpenKernelLog()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(log.Close)
	})

	It("refuses a capacity of three", func() {
		fifo := suites.Module("fifo")
		Expect(fifo.Unload()).To(Succeed())
		DeferCleanup(fifo.Restore)
		Expect(fifo.Load("capacity=3")).To(MatchError(unix.EINVAL))
		Eventually(log).Should(suites.ContainKernelLine("capacity must be a power of two"))
	})
}

// Each call is a system call: a read of an empty device fails with EAGAIN and does not wait in Go's runtime.
func ExampleOpenDevice() {
	It("does not block on a descriptor with O_NONBLOCK", func() {
		Expect(suites.WaitForDevice("/dev/fifo", 5*time.Second)).To(Succeed())
		device, err := suites.OpenDevice("/dev/fifo", unix.O_RDONLY|unix.O_NONBLOCK)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(device.Close)
		_, err = device.Read(make([]byte, 1))
		Expect(err).To(MatchError(unix.EAGAIN))
	})
}

// A spec that needs what not every kernel has checks for it, and says what is missing.
func ExampleKernelConfig() {
	It("reports its memory to debugfs", func() {
		if value, err := suites.KernelConfig("DEBUG_FS"); err == nil && value != "y" {
			Skip("needs CONFIG_DEBUG_FS")
		}
		Expect(suites.ReadDebugfs("fifo/memory")).NotTo(BeEmpty())
	})
}
