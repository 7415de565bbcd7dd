package harness_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/hostdevice"
)

// TestRealHostDevice holds that a USB device is handed to a guest that was restored, that the module is loaded when it is there, and
// that the record says what it is. The device is one that QEMU emulates, which this machine is said to have: all but the last step, usb-host
// in the place of usb-kbd, is that of a device that is there.
func TestRealHostDevice(t *testing.T) {
	needReal(t)
	t.Parallel()
	root := t.TempDir()
	host := hostdevice.Host{Sys: filepath.Join(root, "sys"), Dev: filepath.Join(root, "dev"), Proc: filepath.Join(root, "proc")}
	device := filepath.Join(host.Sys, "bus/usb/devices/1-4")
	for path, text := range map[string]string{filepath.Join(device, "idVendor"): "0627", filepath.Join(device, "idProduct"): "0001",
		filepath.Join(device, "busnum"): "1", filepath.Join(device, "devnum"): "7", filepath.Join(host.Dev, "bus/usb/001/007"): ""} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	plug := func(p *vm.Process) func(context.Context, int, *os.File) error {
		return func(ctx context.Context, _ int, f *os.File) error {
			if f.Name() != filepath.Join(host.Dev, "bus/usb/001/007") {
				t.Errorf("handed over: %s", f.Name())
			}
			return p.Plug(ctx, "kbd")
		}
	}
	res := runRealWith(t, t.Context(), harness.Spec{Module: usbkeyDriver, Kernels: usbKernels, Suites: []string{"../suites/zoo/quiet"},
		Plugs: []string{"kbd=usb-kbd"}, HostDevices: []string{"usb:0627:0001"}}, harness.Fakes{Host: host, HandOver: plug})
	rec := res.Records[0]
	if rec.Status != results.Pass || rec.Timings.Restore == 0 || len(rec.Hardware) != 1 {
		t.Fatalf("%s@%s %s: %s, restored in %d ms, hardware %+v", rec.Status, rec.Stage, rec.Code, rec.Reason, rec.Timings.Restore, rec.Hardware)
	}
	kbd := rec.Hardware[0]
	if kbd.Bus != "usb" || kbd.ID != "0627:0001" || kbd.Driver != "usbkey" || kbd.Name != "QEMU USB Keyboard" || !kbd.Own {
		t.Errorf("%+v", kbd)
	}
	for _, line := range []string{"T:  Bus=", "P:  Vendor=0627 ProdID=0001", "S:  Product=QEMU USB Keyboard", "Driver=usbkey"} {
		if !strings.Contains(kbd.Description, line) {
			t.Errorf("no %q in\n%s", line, kbd.Description)
		}
	}
	if strings.Contains(kbd.Description, "SerialNumber") {
		t.Errorf("a serial number in\n%s", kbd.Description)
	}
}
