// Package fifo_test has the specs of the example driver: a suite as a driver's author would write it, to start from. It is in
// the driver's own folder, so that both are sent and reviewed together.
//
// It is an ordinary Ginkgo suite. modmatrix compiles it once and runs it as root in a guest of each kernel, where the module
// is loaded. Run by go test it skips every spec.
package fifo_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites"
)

func TestFifo(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "fifo")
}

const (
	devicePath      = "/dev/fifo"
	sysfsDir        = "class/misc/fifo"
	defaultCapacity = 4096

	// soon is enough for anything that should happen at once, on an emulated CPU of a busy host.
	soon = 10 * time.Second
	// aWhile is how long a call must block to count as blocked. A shorter time proves less, but fails no good driver.
	aWhile = 50 * time.Millisecond
)

var fifo = suites.Module("fifo")

// Each spec starts with the module as PID 1 loaded it, an empty buffer, and a kernel log that begins here. What a spec
// changes it restores with DeferCleanup, beside the line that changes it.
var _ = BeforeEach(func() {
	kernelLog = nil
	suites.RequireGuest()

	Expect(suites.WaitForDevice(devicePath, soon)).To(Succeed())
	Expect(drain()).To(Succeed())

	log, err := suites.OpenKernelLog()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(log.Close)
	kernelLog = log
})

// A driver that works but causes warnings does not pass. The host checks the whole console as well; here the failure is
// that of the spec.
var _ = AfterEach(func() {
	if kernelLog != nil {
		Expect(kernelLog).To(suites.HaveNoFault())
	}
})

var kernelLog *suites.KernelLog

// open opens the device for the running spec: a suites.Device and no os.File, because the specs are about single system
// calls: whether this read blocks, what that write returns.
func open(flags int) *suites.Device {
	GinkgoHelper()
	device, err := suites.OpenDevice(devicePath, flags)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(device.Close)
	return device
}

// reload loads the module with other parameters for the running spec.
func reload(params ...string) {
	GinkgoHelper()
	Expect(fifo.Unload()).To(Succeed())
	DeferCleanup(fifo.Restore)
	Expect(fifo.Load(params...)).To(Succeed())
	Expect(suites.WaitForDevice(devicePath, soon)).To(Succeed())
}

func drain() error { return suites.WriteSysfs("1", sysfsDir, "drain") }

// fill is the number of bytes in the buffer, as the driver reports it.
func fill() (string, error) { return suites.ReadSysfs(sysfsDir, "fill") }

// write writes one record, whole.
func write(device *suites.Device, record []byte) {
	GinkgoHelper()
	Expect(device.Write(record)).To(Equal(len(record)))
}

// read reads once, at most size bytes.
func read(device *suites.Device, size int) []byte {
	GinkgoHelper()
	buffer := make([]byte, size)
	n, err := device.Read(buffer)
	Expect(err).NotTo(HaveOccurred())
	return buffer[:n]
}

// result is that of a call in the background.
type result struct {
	n   int
	err error
}

// background makes a call that may block, and sends its result when it returns.
func background(call func([]byte) (int, error), buffer []byte) <-chan result {
	results := make(chan result, 1)
	go func() {
		n, err := call(buffer)
		results <- result{n, err}
	}()
	return results
}

const nonblocking = unix.O_RDWR | unix.O_NONBLOCK
