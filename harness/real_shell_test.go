package harness_test

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
)

// typist is somebody at a guest's shell, who types each line when what it waits for was shown.
type typist struct {
	steps []step
	mu    sync.Mutex
	shown bytes.Buffer
}

type step struct{ wait, line string }

// Read types the next line.
func (w *typist) Read(p []byte) (int, error) {
	if len(w.steps) == 0 {
		return 0, io.EOF
	}
	next := w.steps[0]
	w.steps = w.steps[1:]
	for !strings.Contains(w.text(), next.wait) {
		time.Sleep(50 * time.Millisecond)
	}
	return copy(p, next.line+"\r"), nil
}

func (w *typist) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown.Write(p)
}

func (w *typist) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown.String()
}

// shellReal gives w a shell in a real guest, and returns when it has left.
func shellReal(t *testing.T, spec harness.Spec, w *typist, debug func(string)) {
	t.Helper()
	h, err := harness.New(harness.Options{Tool: "modmatrix test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	plan, err := h.Plan(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	if err := h.Shell(ctx, plan, w, debug); err != nil {
		t.Errorf("%v\n%s", err, w.text())
	}
}

// TestRealGdb holds that gdb, started with the command that the shell gives, stops in the init of a module before it has run, and knows
// its functions, its lines and its variables.
func TestRealGdb(t *testing.T) {
	needReal(t)
	t.Parallel()
	for _, kernel := range realKernels {
		t.Run(kernel.String(), func(t *testing.T) {
			w := &typist{steps: []step{{"amd64 # ", "cat /sys/module/fifo/parameters/capacity; echo shown $?"}, {"\nshown 0", "exit"}}}
			said := make(chan string, 1)
			shellReal(t, harness.Spec{Module: exampleDriver, Kernels: []kernels.Selector{kernel}, Suites: []string{harness.Lifecycle}, Params: []string{"capacity=64"}}, w, func(command string) {
				words := strings.Fields(command)
				go func() {
					cmd := exec.CommandContext(t.Context(), words[0], append([]string{"-q", "-batch", "-nx"}, append(words[1:], "-ex", "break fifo_init", "-ex", "continue",
						"-ex", "backtrace 1", "-ex", "print capacity", "-ex", "set variable capacity=128", "-ex", "detach")...)...)
					out, err := cmd.CombinedOutput()
					if err != nil {
						t.Error(err)
					}
					said <- string(out)
				}()
			})
			got := <-said
			for _, want := range []string{"modmatrix: fifo has its place, and nothing of it has run", "#0  fifo_init () at ", "fifo.c:", "$1 = 64"} {
				if !strings.Contains(got, want) {
					t.Errorf("gdb did not say %q:\n%s", want, got)
				}
			}
			if !strings.Contains(w.text(), "\n128") {
				t.Errorf("the module does not have what gdb set in its init:\n%s", w.text())
			}
		})
	}
}

// TestRealShell holds that a person at a shell can plug in a device, run a suite that does the same, and pull it.
func TestRealShell(t *testing.T) {
	needReal(t)
	t.Parallel()
	w := &typist{steps: []step{{"amd64 # ", "plug kbd; echo plugged $?"}, {"\nplugged 0", "unplug kbd; echo pulled $?"}, {"\npulled 0", "unplug nothing; echo refused $?"},
		{"\nrefused 1", "lifecycle --ginkgo.no-color; echo suite $?"}, {"\nsuite ", "plug kbd; echo again $?"}, {"\nagain ", "exit"}}}
	shellReal(t, harness.Spec{Module: usbkeyDriver, Kernels: usbKernels, Suites: []string{harness.Lifecycle}, Plugs: []string{"kbd=usb-kbd"}}, w, nil)
	for _, want := range []string{"\nplugged 0", "\npulled 0", "unplug: no device named", "\nrefused 1", "\nsuite 0", "\nagain 0", "Suites to run by hand: lifecycle"} {
		if !strings.Contains(w.text(), want) {
			t.Errorf("no %q:\n%s", want, w.text())
		}
	}
}
