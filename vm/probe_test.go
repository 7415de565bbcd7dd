package vm_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/vm"
)

// probeConfig is a probe against the fake, on a host where a file stands for /dev/kvm.
func probeConfig(t *testing.T, script string) vm.ProbeConfig {
	t.Helper()
	m, _, _ := fake(t, script)
	device := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	vm.SetKVMDevice(t, device)
	return vm.ProbeConfig{Arch: "x86_64", Kernel: m.Kernel, Marker: "ready", Timeout: time.Minute, CacheDir: filepath.Join(t.TempDir(), "new")}
}

var (
	tcg       = vm.Accel{Name: "tcg", CPU: arch.Host().QEMU.CPU}
	hostCPU   = vm.Accel{Name: "kvm", CPU: "host"}
	hostLess  = vm.Accel{Name: "kvm", CPU: "host,-arch-capabilities"}
	noKernels = "kvm is there, but boots no stock kernel"
)

func TestProbe(t *testing.T) {
	tests := map[string]struct {
		script  string
		timeout time.Duration
		accel   vm.Accel
		reason  string
	}{
		"all work, the best is taken": {script: "[-cpu host -smp] sleep 50ms\nreport ready", accel: hostCPU},
		"marker on the console":       {script: "console- [ 1.0] rea\nsleep 10ms\nconsole dy", accel: hostCPU},
		"cpu host aborts QEMU":        {script: "[-cpu host -smp] refuse 134 Assertion failed\nreport ready", accel: hostLess},
		"one aborts, the others hang": {
			script:  "[-cpu host -smp] refuse 134 Assertion failed\nconsole Probing EDD (edd=off to disable)... ok",
			timeout: 500 * time.Millisecond, accel: tcg, reason: noKernels,
		},
		"every kernel panics": {script: "console Kernel panic\nreset", accel: tcg, reason: noKernels},
		"QEMU refuses them all": {
			script: "refuse 1 failed to initialize kvm: Operation not supported", accel: tcg,
			reason: "kvm is there, but QEMU cannot use it: ",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := probeConfig(t, test.script)
			if test.timeout != 0 {
				c.Timeout = test.timeout
			}
			v, err := vm.Probe(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if v.Accel != test.accel || !strings.HasPrefix(v.Reason, test.reason) || (test.reason == "") != (v.Reason == "") {
				t.Errorf("got %+v, want %v because %q", v, test.accel, test.reason)
			}
			if v.QEMU != "7.2.22" || v.Cached {
				t.Errorf("got %+v", v)
			}
			c.RequireKVM = true
			if _, err := vm.Probe(t.Context(), c); errors.Is(err, vm.ErrNoKVM) != (test.accel == tcg) {
				t.Errorf("with KVM required got %v", err)
			}
		})
	}
}

// An earlier verdict is believed until it is asked for again, or its file makes no sense.
func TestProbeCache(t *testing.T) {
	c := probeConfig(t, "report ready")
	first, err := vm.Probe(t.Context(), c)
	if err != nil || first.Cached {
		t.Fatalf("got %+v, %v", first, err)
	}
	_ = probeConfig(t, "reset") // from now on no kernel boots
	second, err := vm.Probe(t.Context(), c)
	if err != nil || second.Accel != hostCPU || !second.Cached {
		t.Errorf("got %+v, %v", second, err)
	}
	files, err := filepath.Glob(filepath.Join(c.CacheDir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("cache holds %v, %v", files, err)
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "torn": string(good[:len(good)/2]), "no accelerator": strings.ReplaceAll(string(good), `"kvm"`, `""`),
		"other key": strings.ReplaceAll(string(good), "7.2.22", "9.9.9"),
	} {
		if err := os.WriteFile(files[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := vm.Probe(t.Context(), c); err != nil || v.Cached || v.Accel != tcg {
			t.Errorf("%s: got %+v, %v", name, v, err)
		}
	}
	if v, err := vm.Probe(t.Context(), c); err != nil || !v.Cached || v.Accel != tcg || v.Reason != noKernels {
		t.Errorf("a refusal is not remembered: %+v, %v", v, err)
	}
	stale, _ := os.ReadFile(files[0])
	year := time.Now().UTC().Format("2006")
	if err := os.WriteFile(files[0], []byte(strings.Replace(string(stale), `"found": "`+year, `"found": "2001`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Again = false
	_ = probeConfig(t, "report ready")
	if v, err := vm.Probe(t.Context(), c); err != nil || v.Cached || v.Accel != hostCPU {
		t.Errorf("an old refusal is believed: %+v, %v", v, err)
	}
}

// knows fails unless the verdict is known without a boot, or is not, as wanted.
func knows(t *testing.T, c vm.ProbeConfig, want vm.Verdict, known bool) {
	t.Helper()
	got, ok, err := vm.Known(t.Context(), c.Arch, c.CacheDir)
	if got.Cached = want.Cached; ok != known || err != nil || known && got != want {
		t.Errorf("known is %+v, %t, %v, want %+v, %t", got, ok, err, want, known)
	}
}

func TestKnown(t *testing.T) {
	c := probeConfig(t, "report ready")
	knows(t, c, vm.Verdict{}, false)
	v, err := vm.Probe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	knows(t, c, v, true)
	vm.SetKVMDevice(t, filepath.Join(t.TempDir(), "none"))
	if v, err = vm.Probe(t.Context(), c); err != nil || v.Reason == "" {
		t.Fatal(v, err)
	}
	knows(t, c, v, true)
	t.Setenv("PATH", t.TempDir())
	if _, _, err := vm.Known(t.Context(), c.Arch, c.CacheDir); !errors.Is(err, vm.ErrNoQEMU) {
		t.Errorf("got %v", err)
	}
}

func TestProbeWithoutKVM(t *testing.T) {
	c := probeConfig(t, "die 1 nothing may be started")
	vm.SetKVMDevice(t, "/no/such/kvm")
	v, err := vm.Probe(t.Context(), c)
	if err != nil || v.Accel != tcg || v.Reason != "there is no /no/such/kvm" {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestProbeTrouble(t *testing.T) {
	c := probeConfig(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if v, err := vm.Probe(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up, got %+v, %v", v, err)
	}
	noMarker := c
	noMarker.Marker = ""
	noKernel := c
	noKernel.Kernel = "/no/such/kernel"
	for _, c := range []vm.ProbeConfig{noMarker, noKernel} {
		if v, err := vm.Probe(t.Context(), c); err == nil {
			t.Errorf("got %+v", v)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := vm.Probe(t.Context(), c); !errors.Is(err, vm.ErrNoQEMU) {
		t.Errorf("got %v", err)
	}
}
