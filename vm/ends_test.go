package vm_test

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/vm"
)

func TestEnds(t *testing.T) {
	tests := map[string]struct {
		script  string
		reason  vm.Reason
		code    int
		console string
		stderr  string
	}{
		"power-off":              {script: "console Linux version 6.1\nreport done\npoweroff", reason: vm.GuestShutdown, console: "Linux version 6.1\n"},
		"panic and reset":        {script: "console Kernel panic - not syncing: x\nreset", reason: vm.GuestReset, console: "Kernel panic - not syncing: x\n"},
		"pvpanic":                {script: "panic", reason: vm.GuestPanic},
		"half a line":            {script: "console- [    1.0] Unable to han\nreset", reason: vm.GuestReset, console: "[    1.0] Unable to han"},
		"QEMU dies":              {script: "console x\ndie 134 kvm_buf_set_msrs: Assertion failed.", reason: vm.QEMUDied, code: 134, console: "x\n", stderr: "kvm_buf_set_msrs: Assertion failed.\n"},
		"QEMU dies with nothing": {script: "die 0", reason: vm.QEMUDied, stderr: "\n"},
		"events all the time":    {script: "flood events\nsleep 50ms\npoweroff", reason: vm.GuestShutdown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, console, _ := fake(t, test.script)
			out := run(t, t.Context(), m)
			if out.Reason != test.reason || out.ExitCode != test.code || out.Stderr != test.stderr {
				t.Errorf("got %+v, want %s, %d, %q", out, test.reason, test.code, test.stderr)
			}
			if console.String() != test.console {
				t.Errorf("console is %q, want %q", console, test.console)
			}
		})
	}
}

// A QEMU that was sent a signal by somebody else says so; one that was killed by somebody else cannot.
func TestForeignSignals(t *testing.T) {
	for sig, want := range map[syscall.Signal]vm.Outcome{
		syscall.SIGTERM: {Reason: vm.HostSignal},
		syscall.SIGKILL: {Reason: vm.QEMUDied, Signal: "killed", ExitCode: -1},
	} {
		m, _, report := fake(t, "call pid\n")
		p := start(t, t.Context(), m)
		pid := waitFor(t, report, "\n")
		if err := syscall.Kill(atoi(t, pid), sig); err != nil {
			t.Fatal(err)
		}
		out, err := p.Wait()
		if out.Elapsed = 0; out != want || err != nil {
			t.Errorf("after %v got %+v, %v, want %+v", sig, out, err, want)
		}
	}
}

func TestKillAndCancel(t *testing.T) {
	for name, script := range map[string]string{
		"silence": "", "frozen": "report up\nfreeze", "flood": "flood console 1000000000000",
	} {
		t.Run(name, func(t *testing.T) {
			m, _, report := fake(t, script)
			if name == "frozen" {
				p := start(t, t.Context(), m)
				waitFor(t, report, "up\n")
				p.Kill()
				if out, err := p.Wait(); out.Reason != vm.HostKilled || err != nil {
					t.Errorf("got %+v, %v", out, err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			p := start(t, ctx, m)
			cancel()
			if out, err := p.Wait(); out.Reason != vm.HostKilled || err != nil {
				t.Errorf("got %+v, %v", out, err)
			}
			p.Kill() // of a dead guest does nothing
		})
	}
}

func TestQuit(t *testing.T) {
	t.Run("answered", func(t *testing.T) {
		m, _, _ := fake(t, "")
		p := start(t, t.Context(), m)
		p.Quit(t.Context())
		if out, err := p.Wait(); out.Reason != vm.HostQuit || err != nil {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("not answered", func(t *testing.T) {
		m, _, report := fake(t, "mute quit")
		p := start(t, t.Context(), m)
		p.Quit(doneWhen(t, report, "muted quit\n"))
		if out, err := p.Wait(); out.Reason != vm.HostKilled || err != nil {
			t.Errorf("got %+v, %v", out, err)
		}
	})
}

// Nothing stays open or running, whatever the end.
func TestNothingIsLeft(t *testing.T) {
	before := openFiles(t)
	for _, script := range []string{"poweroff", "die 1", "refuse 1 no", "flood events\nreset"} {
		m, _, _ := fake(t, script)
		if p, err := m.Start(t.Context()); err == nil {
			p.Wait()
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for openFiles(t) > before && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files open before, %d after", before, after)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
