// Package expects_test provokes a fault of a driver that was made to warn whenever nothing is written to it: once where
// it says so, and once more than it says.
package expects_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites"
)

func TestExpects(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "expects")
}

// provoke writes nothing. The call goes past the C library and Go's own, which both spare the kernel a write of nothing.
func provoke() {
	device, err := unix.Open("/dev/fifo", unix.O_WRONLY, 0)
	Expect(err).NotTo(HaveOccurred())
	defer unix.Close(device)
	_, _, errno := unix.Syscall(unix.SYS_WRITE, uintptr(device), 0, 0)
	Expect(errno).To(BeZero())
}

var _ = It("warns as announced", func() {
	suites.RequireGuest()
	suites.ExpectSplat(`WARNING in fifo_write`)
	provoke()
})

var _ = It("announces what does not come", Label("unmet"), func() {
	suites.RequireGuest()
	suites.ExpectSplat(`WARNING in fifo_write`)
})

var _ = It("warns out of the blue", Label("blue"), func() {
	suites.RequireGuest()
	provoke()
})
