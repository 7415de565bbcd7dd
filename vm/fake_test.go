package vm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(runEnv) != "" {
		beRun()
	}
	if os.Args[0] == "/init" {
		guestInit()
	}
	if os.Getenv(orphanEnv) != "" {
		startOrphan()
	}
	vmtest.Main(m)
}

// fake installs script and returns a machine for it.
func fake(t *testing.T, script string) (m *vm.Machine, console, report *vm.BoundedLog) {
	t.Helper()
	vmtest.Install(t, script)
	kernel := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(kernel, []byte("MZ"), 0o600); err != nil {
		t.Fatal(err)
	}
	console, report = &vm.BoundedLog{}, &vm.BoundedLog{}
	return &vm.Machine{Arch: "x86_64", Kernel: kernel, Console: console, Report: report}, console, report
}

func TestStartTrouble(t *testing.T) {
	t.Run("no QEMU", func(t *testing.T) {
		m, _, _ := fake(t, "")
		t.Setenv("PATH", t.TempDir())
		_, err := m.Start(t.Context())
		if !errors.Is(err, vm.ErrNoQEMU) || !strings.Contains(err.Error(), "install the package qemu-system-x86") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("QEMU refuses", func(t *testing.T) {
		m, _, _ := fake(t, "refuse 1 qemu-system-x86_64: cannot set up guest memory")
		_, err := m.Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), "exit status 1: qemu-system-x86_64: cannot set up guest memory") {
			t.Errorf("got %v", err)
		}
	})
	for script, muted := range map[string]string{
		"mute": "greeting", "mute cont": "cont", "mute qmp_capabilities": "qmp_capabilities",
		"flood events\nmute qmp_capabilities": "qmp_capabilities",
	} {
		t.Run(strings.ReplaceAll(script, "\n", ", "), func(t *testing.T) {
			m, _, report := fake(t, script)
			if _, err := m.Start(doneWhen(t, report, "muted "+muted+"\n")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A flood of 100 MB is read to its end, and costs no more memory than the bounds say.
func TestFloodIsBounded(t *testing.T) {
	const size = 100 << 20
	m, console, _ := fake(t, "console first line\nflood console 104857600\nconsole last line\npoweroff")
	out := run(t, t.Context(), m)
	if out.Reason != vm.GuestShutdown {
		t.Errorf("got %+v", out)
	}
	if want := int64(size + len("first line\n") + len("last line\n")); console.Total() != want {
		t.Errorf("took in %d bytes, want %d", console.Total(), want)
	}
	text := console.Bytes()
	if len(text) > vm.DefaultHead+vm.DefaultTail+100 {
		t.Errorf("kept %d bytes", len(text))
	}
	if !bytes.HasPrefix(text, []byte("first line\n")) || !bytes.HasSuffix(text, []byte("last line\n")) {
		t.Error("beginning or end is missing")
	}
	var after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > 64<<20 {
		t.Errorf("heap of %d bytes", after.HeapAlloc)
	}
}

// Under a storm of events commands are answered, each with its own answer. With -race this is what go-qemu's monitor
// fails without the proxy.
func TestCommandsUnderEvents(t *testing.T) {
	m, _, _ := fake(t, "flood events")
	p := start(t, t.Context(), m)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				status, err := p.QMP().Exec(t.Context(), "query-status", nil)
				if err != nil || string(status) != `{"status": "running", "singlestep": false, "running": true}` {
					t.Errorf("got %s, %v", status, err)
				}
				if text, err := p.QMP().Human(t.Context(), "info registers"); err != nil || text != "RIP=ffffffff81000000\r\n" {
					t.Errorf("got %q, %v", text, err)
				}
				if _, err := p.QMP().Exec(t.Context(), "no-such", nil); err == nil || !strings.Contains(err.Error(), "has not been found") {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
	p.Kill()
	p.Wait()
	if _, err := p.QMP().Exec(t.Context(), "query-status", nil); err == nil {
		t.Error("a dead QEMU answered")
	}
}

// A command that is not answered costs its deadline and nothing more.
func TestCommandWithoutAnswer(t *testing.T) {
	m, _, report := fake(t, "mute query-status")
	p := start(t, t.Context(), m)
	ctx := doneWhen(t, report, "muted query-status\n")
	if _, err := p.QMP().Exec(ctx, "query-status", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := p.QMP().Exec(t.Context(), "stop", nil); err == nil {
		t.Error("the connection goes on although an answer may still come")
	}
	p.Kill() // unless the fake, whose monitor is gone, was the faster
	if out, err := p.Wait(); out.Reason != vm.HostKilled && out.ExitCode != 1 || err != nil {
		t.Errorf("got %+v, %v", out, err)
	}
}

// A guest that hangs is asked where it is, and is waited for within bounds whatever it does.
func TestDiagnose(t *testing.T) {
	vm.DivideDiagnosis(t, 25)
	for name, test := range map[string]struct {
		script, console string
		reason          vm.Reason
	}{
		"answers":  {"report up", "NMI received", vm.HostKilled},
		"mute":     {"mute inject-nmi\nreport up", "", vm.HostKilled},
		"frozen":   {"report up\nfreeze", "", vm.HostKilled},
		"is gone":  {"report up\npoweroff", "", vm.GuestShutdown},
		"panics":   {"report up\nsleep 20ms\nconsole Kernel panic\nreset", "Kernel panic", vm.GuestReset},
		"babbling": {"report up\nflood console 1000000000000", "", vm.HostKilled},
	} {
		t.Run(name, func(t *testing.T) {
			m, console, report := fake(t, test.script)
			p := start(t, t.Context(), m)
			waitFor(t, report, "up\n")
			p.Diagnose(t.Context())
			p.Kill()
			out, err := p.Wait()
			gone := name == "mute" && out.ExitCode == 1 // the fake, whose monitor is gone, was the faster
			if out.Reason != test.reason && !gone || err != nil {
				t.Errorf("got %+v, %v, want %s", out, err, test.reason)
			}
			if text := console.String(); !strings.Contains(text, test.console) {
				t.Errorf("console is %q, want %q in it", text, test.console)
			}
		})
	}
}

// An end in order, without a report, is the guest's own where the row says so; any other is QEMU's.
func TestAnEndWithoutAReport(t *testing.T) {
	for _, test := range []struct {
		machine, script string
		want            vm.Reason
	}{{"riscv64", "die 0", vm.GuestShutdown}, {"riscv64", "die 1", vm.QEMUDied}, {"x86_64", "die 0", vm.QEMUDied}, {"riscv64", "reset", vm.GuestReset}} {
		m, _, _ := fake(t, test.script)
		m.Arch = test.machine
		if out := run(t, t.Context(), m); out.Reason != test.want {
			t.Errorf("%s, %s: %+v, want %s", test.machine, test.script, out, test.want)
		}
	}
}

func TestTerminal(t *testing.T) {
	m, _, _ := fake(t, "echo\npoweroff")
	ours, theirs := net.Pipe()
	m.Terminal = theirs
	p := start(t, t.Context(), m)
	go io.WriteString(ours, "hello\nbye\n")
	answer := make([]byte, len("you said hello\n"))
	if _, err := io.ReadFull(ours, answer); err != nil || string(answer) != "you said hello\n" {
		t.Errorf("got %q, %v", answer, err)
	}
	if out, err := p.Wait(); out.Reason != vm.GuestShutdown || err != nil {
		t.Errorf("got %+v, %v", out, err)
	}
}

// A writer that fails does not stop the guest, and is not forgotten.
func TestFailingWriter(t *testing.T) {
	m, _, report := fake(t, "flood console 1000000\nreport done\npoweroff")
	m.Console = fullDisk{}
	p := start(t, t.Context(), m)
	out, err := p.Wait()
	if out.Reason != vm.GuestShutdown || report.String() != "done\n" {
		t.Errorf("got %+v, report %q", out, report)
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "write console") {
		t.Errorf("got %v", err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }
