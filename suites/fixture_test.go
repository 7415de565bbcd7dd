package suites_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/suites"
)

// envFixture names the suite that this test binary runs as a process of its own, with real pipes to the test.
const envFixture = "SUITES_TEST_FIXTURE"

// The fixtures are declared as any suite's specs are: while the package is initialised, after the package under test.
var _ = declare(os.Getenv(envFixture))

func declare(fixture string) bool {
	switch fixture {
	case "ordinary":
		ordinary()
	case "dies":
		dies()
	case "before-suite-fails":
		BeforeSuite(func() { Fail("no such device") })
		It("never runs", func() {})
	case "before-suite-skips":
		BeforeSuite(func() { Skip("needs a sound card") })
		It("is skipped with its suite", func() {})
	case "aborts":
		Describe("aborting", Ordered, func() {
			It("runs first", func() {})
			It("aborts", func() { AbortSuite("the bus is gone") })
			It("never starts", func() {})
		})
	case "hangs":
		Describe("hanging", func() {
			It("waits for ever", func() {
				time.AfterFunc(100*time.Millisecond, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }) // as PID 1 does when the time is up
				time.Sleep(time.Hour)
			})
			It("never starts", func() {})
		})
	case "expects":
		expects()
	case "report-node-fails":
		ReportAfterEach(func(SpecReport) { Fail("cannot write the trace") })
		It("passes by itself", func() {})
	}
	return fixture != ""
}

func ordinary() {
	Describe("ordinary", func() {
		It("passes", func() { fmt.Fprint(GinkgoWriter, "seen by the report") })
		It("fails", func() { Expect(1).To(Equal(2)) })
		It("panics", func() { panic("went wrong") })
		It("is skipped by hand", func() { Skip("needs a camera") })
		PIt("is pending", func() {})
		It("is for newer kernels", SemVerConstraint(">= 6.12.0"), func() {})
		It("is for older kernels", SemVerConstraint("< 6.12.0"), func() {})
		It("is for newer components", ComponentSemVerConstraint("kernel", "> 7"), func() {})
		It("is for another machine", Label("arch:aarch64"), func() {})
		It("passes at the third try", FlakeAttempts(3), func() {
			if CurrentSpecReport().NumAttempts < 3 {
				Fail("not yet")
			}
		})
		It("fails in its cleanup too", func() {
			DeferCleanup(func() { Fail("second") })
			Fail("first")
		})
		It("says too much", func() { Fail(strings.Repeat("x", 1<<20)) })
	})
}

func dies() {
	Describe("dying", func() {
		It("passes before", func() {})
		It("takes the process down", func() {
			if os.Getenv("SUITES_TEST_DEATH") == "exit" {
				os.Exit(0)
			}
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		})
		It("never starts", func() {})
	})
}

func expects() {
	BeforeSuite(func() {
		if os.Getenv("SUITES_TEST_EARLY") != "" {
			suites.ExpectSplat("WARNING")
		}
	})
	Describe("expecting", func() {
		BeforeEach(func() {
			if strings.HasSuffix(CurrentSpecReport().FullText(), "before") {
				suites.ExpectSplat("BUG: KASAN")
			}
		})
		It("warns", func() { suites.ExpectSplat("WARNING in fifo_(claim|free)") })
		It("warns twice", func() { suites.ExpectSplat("WARNING", 2) })
		It("does so before", func() {})
		It("has no pattern", func() { suites.ExpectSplat("") })
		It("has a bad pattern", func() { suites.ExpectSplat("WARNING (") })
		It("has no count", func() { suites.ExpectSplat("WARNING", 0) })
		It("has two counts", func() { suites.ExpectSplat("WARNING", 1, 2) })
	})
}

func TestFixture(t *testing.T) {
	if os.Getenv(envFixture) == "" {
		t.Skip("is the other process of TestStream and its like")
	}
	RegisterFailHandler(Fail)
	RunSpecs(t, "fixture")
}

// run runs a fixture as PID 1 would, and returns the frames it sent and whether it ended well.
func run(t *testing.T, fixture string, env []string, args ...string) ([]wire.Frame, bool) {
	t.Helper()
	frames, framesIn := pipe(t)
	acksOut, acks := pipe(t)
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestFixture$", "--ginkgo.no-color"}, args...)...)
	cmd.Env = append(os.Environ(), envFixture+"="+fixture, wire.EnvReportFD+"=3", wire.EnvAckFD+"=4")
	cmd.Env = append(cmd.Env, env...)
	cmd.ExtraFiles = []*os.File{framesIn, acksOut}
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	framesIn.Close()
	acksOut.Close()
	var got []wire.Frame
	reader := wire.NewReader(frames)
	for {
		frame, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Errorf("frames end with %v", err)
			break
		}
		got = append(got, frame)
		if _, err := acks.Write(wire.Ack("")); err != nil && fixture != "dies" {
			t.Errorf("acknowledge: %v", err)
		}
	}
	err := cmd.Wait()
	if t.Failed() {
		t.Log(output.String())
	}
	return got, err == nil
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// summary is one line for each frame: kind, name and state, and the start of the message.
func summary(frames []wire.Frame) string {
	var b strings.Builder
	for _, f := range frames {
		if f.Spec == nil {
			fmt.Fprintln(&b, f.Kind)
			continue
		}
		if f.Kind == wire.KindExpect {
			fmt.Fprintf(&b, "%s %q × %d %s\n", f.Kind, f.Spec.Name, f.Count, f.Text)
			continue
		}
		message, _, _ := strings.Cut(f.Spec.Message, "\n")
		line := strings.TrimSpace(fmt.Sprintf("%s %q %s %s", f.Kind, f.Spec.Name, f.Spec.State, message))
		if len(line) > 150 {
			line = line[:150]
		}
		fmt.Fprintln(&b, line)
	}
	return b.String()
}
