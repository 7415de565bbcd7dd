// Package waits_test uses a device that may take long, or for ever.
package waits_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites"
)

func TestWaits(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "waits")
}

var _ = Describe("hangs", func() {
	BeforeEach(suites.RequireGuest)

	var file *os.File
	BeforeEach(func() {
		var err error
		file, err = os.Open("/dev/hangs")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(file.Close)
	})

	seconds := func(name string) time.Duration {
		text, err := suites.Module("hangs").Param(name)
		Expect(err).NotTo(HaveOccurred())
		n, err := strconv.Atoi(text)
		Expect(err).NotTo(HaveOccurred())
		return time.Duration(n) * time.Second
	}

	It("is opened", func() {})

	It("answers, again and again", func() {
		for end := time.Now().Add(seconds("calls")); ; {
			_, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), 1, 0)
			Expect(errno).To(BeZero())
			if time.Now().After(end) {
				break
			}
		}
	})

	It("leaves a suite the time to compute", func() {
		sum := 0
		for end := time.Now().Add(seconds("computes")); time.Now().Before(end); {
			for i := range 1000 {
				sum = sum*31%1000 + i
			}
		}
		Expect(sum).To(BeNumerically(">=", 0))
	})

	It("is still there", func() {})
})
