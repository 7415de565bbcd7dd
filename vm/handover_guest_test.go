package vm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// A USB device goes to a guest that runs as an open file: QEMU needs no right of its own to it, and learns no path.
func TestHandOver(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv(vmtest.LogEnv, log)
	node := filepath.Join(t.TempDir(), "007")
	if err := os.WriteFile(node, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(node, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, _, _ := fake(t, "")
	m.HostUSB = true
	p := start(t, t.Context(), m)
	if err := p.HandOver(t.Context(), 3, f); err != nil {
		t.Fatal(err)
	}
	if err := p.HandOver(t.Context(), 3, f); err == nil || err.Error() != "hand over the USB device: Duplicate device ID 'own-3'" {
		t.Errorf("twice: %v", err)
	}
	said, err := os.ReadFile(log)
	want := "add-fd " + node + "\ndevice_add usb-host,hostdevice=/dev/fdset/7,id=own-3,bus=plugs.0\n"
	if err != nil || string(said) != want+want {
		t.Errorf("said %q, %v", said, err)
	}
	p.Kill()
	p.Wait()
	if err := p.HandOver(t.Context(), 4, f); err == nil {
		t.Error("a dead guest has it")
	}
}

func TestTryHandOver(t *testing.T) {
	fake(t, "")
	if err := vm.TryHandOver(t.Context(), "x86_64", true, true); err != nil {
		t.Error(err)
	}
	fake(t, "lack device-list-properties")
	for _, c := range []struct {
		usb, pci bool
		want     string
	}{{false, false, ""}, {true, false, "this QEMU cannot hand over USB devices of the host"}, {false, true, "this QEMU cannot hand over PCI devices of the host (vfio-pci)"}} {
		err := vm.TryHandOver(t.Context(), "x86_64", c.usb, c.pci)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// The QEMU that is installed can do it, as far as there are no devices to try it with.
func TestRealTryHandOver(t *testing.T) {
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("set MODMATRIX_REAL=1 to ask the QEMU that is installed")
	}
	if err := vm.TryHandOver(t.Context(), "x86_64", true, true); err != nil {
		t.Error(err)
	}
}
