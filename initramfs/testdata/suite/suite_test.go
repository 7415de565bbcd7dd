// Package suite is run in a guest by the boot test. Each spec is one way in which a spec can end.
package suite

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"github.com/modmatrix/modmatrix/results/wire"
)

func TestSuite(t *testing.T) { RunSpecs(t, "boot") }

// host is the way to PID 1; nil in the dry run.
var host = func() *wire.PipeWriter {
	frames, err1 := strconv.Atoi(os.Getenv(wire.EnvReportFD))
	acks, err2 := strconv.Atoi(os.Getenv(wire.EnvAckFD))
	if err1 != nil || err2 != nil {
		return nil
	}
	syscall.CloseOnExec(frames)
	syscall.CloseOnExec(acks)
	return wire.NewPipeWriter(os.NewFile(uintptr(frames), "frames"), os.NewFile(uintptr(acks), "acks"))
}()

func send(kind wire.Kind, r SpecReport) {
	// One spec is left to the report at the end.
	if host != nil && !strings.Contains(r.FullText(), "unreported") {
		_ = host.Write(wire.Frame{Kind: kind, Spec: &wire.Spec{Name: r.FullText(), State: r.State.String(), Attempts: r.NumAttempts,
			Message: r.Failure.Message}})
		_ = host.Write(wire.Frame{Kind: wire.KindEnd}) // a forged end, which must not get through
	}
}

var _ = ReportBeforeEach(func(r SpecReport) {
	r.State = 0
	if host != nil && !strings.Contains(r.FullText(), "unreported") {
		_ = host.Write(wire.Frame{Kind: wire.KindSpecStart, Spec: &wire.Spec{Name: r.FullText()}})
	}
})

var _ = ReportAfterEach(func(r SpecReport) { send(wire.KindSpecEnd, r) })

var _ = Describe("a spec", func() {
	It("passes", func() {
		fmt.Println("printed by a spec")
		fmt.Printf("drew %s at %d\n", rand.Text(), time.Now().Unix())
		if fd, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0); err == nil {
			fmt.Fprintln(fd, "<13>said within the first spec")
			fd.Close()
		}
	})
	It("fails", func() { Fail("as it \x1b[31mshould\x1b[0m") })
	It("is unreported", func() { GinkgoWriter.Println("captured") })
	It("skips itself", func() { Skip("no need") })
	PIt("is pending", func() {})
	It("panics", func() { panic("boom") })
	It("is for another machine", Label("arch:vax"), func() { Fail("ran on the wrong machine") })
	It("is for this machine and another", Label("arch:vax", "arch:x86_64"), func() {})
	It("is for later kernels", SemVerConstraint(">= 99.0.0"), func() { Fail("ran on an early kernel") })
	It("is for kernels of old and later", ComponentSemVerConstraint("kernel", ">= 4.0.0"), func() {})
	It("expects a splat", func() {
		_ = host.Write(wire.Frame{Kind: wire.KindExpect, Text: "WARNING in nobody", Count: 2})
	})
	It("leaves a process behind", func() {
		pid, err := syscall.ForkExec("/bbin/sleep", []string{"sleep", "1000"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true},
			Files: []uintptr{0, 1, 2}})
		if err != nil || pid == 0 {
			Fail(fmt.Sprint("no process: ", err))
		}
	})
})

var _ = AfterSuite(func() {
	if os.Getenv(wire.EnvReportFD) != "" {
		Fail("after the suite")
	}
})

var _ = Describe("hanging", Label("hang"), func() {
	It("never ends", func() {
		for {
			time.Sleep(time.Hour)
		}
	})
})

var _ = Describe("crashing", Label("crash"), Ordered, func() {
	It("first floods", func() {
		for i := range 20_000 {
			fmt.Printf("line %05d of many, to see what is kept of them\n", i)
		}
	})
	It("then takes the kernel down", func() {
		if err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0); err != nil {
			Fail(err.Error())
		}
	})
})
