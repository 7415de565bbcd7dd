package vm_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/vm"
)

// kernelsEnv lists images, separated by colons, that the real-QEMU tests boot one after the other.
const kernelsEnv = "MODMATRIX_TEST_KERNELS"

// archEnv is their architecture in Debian's words; amd64, where it is not set.
const archEnv = "MODMATRIX_TEST_ARCH"

// realArch is the architecture of those kernels.
func realArch(t *testing.T) arch.Arch {
	t.Helper()
	a, ok := arch.Named(cmp.Or(os.Getenv(archEnv), "amd64"))
	if !ok {
		t.Fatalf("%s=%s is none of %v", archEnv, os.Getenv(archEnv), arch.Names())
	}
	return a
}

// realKernels lists the images to boot. What cannot be tested here is skipped aloud.
func realKernels(t *testing.T) []string {
	t.Helper()
	list := os.Getenv(kernelsEnv)
	if list == "" {
		t.Skipf("set %s to one or more kernel images to run this with a real QEMU", kernelsEnv)
	}
	return filepath.SplitList(list)
}

var initOnce sync.Map // of func() ([]byte, error), by architecture

// testInitrd is an initramfs with this test binary as PID 1, and the modules that its lines need for each kernel.
func testInitrd(t *testing.T, kernel string) string {
	t.Helper()
	a := realArch(t)
	build, _ := initOnce.LoadOrStore(a.Name, sync.OnceValues(func() ([]byte, error) { return buildInit(a) }))
	archive, err := build.(func() ([]byte, error))()
	if err != nil {
		t.Fatal(err)
	}
	if len(a.QEMU.LineModules) > 0 {
		archive = withModules(t, archive, "lines", moduleFiles(t, kernel, a.QEMU.LineModules...))
	}
	path := filepath.Join(t.TempDir(), "init,with comma.cpio")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func buildInit(a arch.Arch) ([]byte, error) {
	dir, err := os.MkdirTemp("", "vm-init")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "init")
	build := exec.Command("go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+a.Go, a.GoEnv)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, err
	}
	code, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := cpio.Newc.Writer(&archive)
	records := []cpio.Record{
		cpio.Directory("dev", 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.StaticFile("init", string(code), 0o755),
	}
	if err := cpio.WriteRecordsAndDirs(w, records); err != nil {
		return nil, err
	}
	err = cpio.WriteTrailer(w)
	return archive.Bytes(), err
}

// realMachine is a guest that does act and then powers off.
func realMachine(t *testing.T, kernel, act string) (m *vm.Machine, console, report *vm.BoundedLog) {
	console, report = &vm.BoundedLog{}, &vm.BoundedLog{}
	m = &vm.Machine{Arch: realArch(t).Name, Kernel: kernel, Initrd: testInitrd(t, kernel), Args: []string{"act=" + act},
		Console: console, Report: report}
	return m, console, report
}

// eachKernel runs f for every kernel under a deadline that only a hang can miss.
func eachKernel(t *testing.T, f func(t *testing.T, ctx context.Context, kernel string)) {
	for _, kernel := range realKernels(t) {
		t.Run(filepath.Base(kernel), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			f(t, ctx, kernel)
		})
	}
}

func TestRealEnds(t *testing.T) {
	for act, want := range map[string]vm.Reason{"nothing": vm.GuestShutdown, "panic": vm.GuestReset, "reboot": vm.GuestReset} {
		t.Run(act, func(t *testing.T) {
			if act == "panic" && slices.Contains([]string{"ppc64el", "s390x"}, realArch(t).Debian) { // which report it (arch/powerpc/platforms/pseries/setup.c, arch/s390/kernel/ipl.c)
				want = vm.GuestPanic
			}
			eachKernel(t, func(t *testing.T, ctx context.Context, kernel string) {
				m, console, report := realMachine(t, kernel, act)
				out := run(t, ctx, m)
				t.Logf("%v", out.Elapsed)
				if out.Reason != want || out.ExitCode != 0 {
					t.Errorf("ended by %q with code %d, want %q\n%s%s", out.Reason, out.ExitCode, want, console, out.Stderr)
				}
				if report.String() != "ready\n" {
					t.Errorf("report is %q", report)
				}
				if act == "panic" && !strings.Contains(console.String(), "Kernel panic - not syncing: sysrq triggered crash") {
					t.Errorf("the console shows no panic:\n%s", console)
				}
			})
		})
	}
}

func run(t *testing.T, ctx context.Context, m *vm.Machine) vm.Outcome {
	t.Helper()
	p, err := m.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Wait()
	if err != nil {
		t.Error(err)
	}
	return out
}

// A guest that hangs shows its blocked tasks, whatever its console takes for the magic key.
func TestRealDiagnose(t *testing.T) {
	eachKernel(t, func(t *testing.T, ctx context.Context, kernel string) {
		m, console, report := realMachine(t, kernel, "hang")
		p := start(t, ctx, m)
		waitFor(t, report, "ready\n")
		p.Diagnose(ctx)
		for _, want := range []string{"sysrq: Show backtrace of all active CPUs", "sysrq: Show Blocked State"} {
			if !strings.Contains(console.String(), want) {
				t.Errorf("no %q on the console\n%s", want, console)
			}
		}
		p.Kill()
		p.Wait()
	})
}

// The terminal speaks both ways, though it shares its interrupt with the console.
func TestRealTerminal(t *testing.T) {
	eachKernel(t, func(t *testing.T, ctx context.Context, kernel string) {
		m, console, _ := realMachine(t, kernel, "echo")
		ours, theirs := net.Pipe()
		m.Terminal = theirs
		context.AfterFunc(ctx, func() { ours.Close() })
		p := start(t, ctx, m)
		if _, err := io.ReadFull(ours, make([]byte, len("hi\n"))); err != nil {
			t.Fatalf("no greeting: %v\n%s", err, console)
		}
		answer := make([]byte, len("you said hello\n"))
		for range 3 {
			go io.WriteString(ours, "hello\n")
			if _, err := io.ReadFull(ours, answer); err != nil || string(answer) != "you said hello\n" {
				t.Fatalf("got %q, %v\n%s", answer, err, console)
			}
		}
		io.WriteString(ours, "bye\n")
		if out, err := p.Wait(); out.Reason != vm.GuestShutdown || err != nil {
			t.Errorf("got %+v, %v", out, err)
		}
	})
}

// A guest that prints without end is bounded by what we keep, answers the monitor, and dies at once.
func TestRealFlood(t *testing.T) {
	eachKernel(t, func(t *testing.T, ctx context.Context, kernel string) {
		m, console, _ := realMachine(t, kernel, "flood")
		console.Head, console.Tail = 8<<10, 8<<10
		p := start(t, ctx, m)
		waitFor(t, console, "dropped here]\n")
		if text, err := p.QMP().Human(ctx, "info registers"); err != nil || len(text) < 100 {
			t.Errorf("registers are %q, %v", text, err)
		}
		if err := p.InjectNMI(ctx); realArch(t).QEMU.NMI && err != nil {
			t.Error(err)
		}
		p.Quit(ctx)
		if out, err := p.Wait(); out.Reason != vm.HostQuit || err != nil {
			t.Errorf("got %+v, %v", out, err)
		}
	})
}

// A megabyte comes over the report port whole.
func TestRealBulkReport(t *testing.T) {
	eachKernel(t, func(t *testing.T, ctx context.Context, kernel string) {
		m, _, report := realMachine(t, kernel, "bulk")
		var first atomic.Int64
		begin := time.Now()
		m.Report = io.MultiWriter(report, writerFunc(func(b []byte) (int, error) {
			first.CompareAndSwap(0, int64(time.Since(begin)))
			return len(b), nil
		}))
		out := run(t, ctx, m)
		t.Logf("%v from ready to power-off", out.Elapsed-time.Duration(first.Load()))
		want := "ready\n" + strings.Repeat(strings.Repeat("x", 1023)+"\n", 1024)
		if report.String() != want {
			t.Errorf("%d bytes came, want %d", report.Total(), len(want))
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// The probe ends in a verdict within its bound, whatever /dev/kvm is worth here.
func TestRealProbe(t *testing.T) {
	eachKernel(t, func(t *testing.T, ctx context.Context, kernel string) {
		c := vm.ProbeConfig{Arch: realArch(t).Name, Kernel: kernel, Initrd: testInitrd(t, kernel), Args: []string{"act=nothing"}, Marker: "ready\n", CacheDir: t.TempDir()}
		for _, cached := range []bool{false, true} {
			begin := time.Now()
			v, err := vm.Probe(ctx, c)
			t.Logf("%+v, %v after %v", v, err, time.Since(begin))
			if err != nil || v.QEMU == "" || v.Cached && !cached {
				t.Errorf("got %+v, %v", v, err)
			}
		}
	})
}
