package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/hostdevice"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

// deskOf is a machine of folders with one keyboard, and the path of its file.
func deskOf(t *testing.T) (h hostdevice.Host, node string) {
	t.Helper()
	root := t.TempDir()
	h = hostdevice.Host{Sys: filepath.Join(root, "sys"), Dev: filepath.Join(root, "dev"), Proc: filepath.Join(root, "proc")}
	node = filepath.Join(h.Dev, "bus/usb/001/007")
	device := filepath.Join(h.Sys, "bus/usb/devices/1-4")
	for name, text := range map[string]string{"idVendor": "046d", "idProduct": "c31c", "serial": "SECRET-1", "busnum": "1", "devnum": "7", "bConfigurationValue": "1", "1-4:1.0/x": ""} {
		write(t, filepath.Join(device, name), text+"\n")
	}
	write(t, node, "")
	write(t, filepath.Join(h.Sys, "bus/usb/drivers_probe"), "")
	if err := os.Symlink("../../../drivers/usbhid", filepath.Join(device, "1-4:1.0/driver")); err != nil {
		t.Fatal(err)
	}
	return h, node
}

// handingOver is a fixture whose guests get the keyboard, and the log of what QEMU was asked.
func handingOver(t *testing.T) (f *fixture, log string) {
	dir := t.TempDir()
	f = newFixture(t, "call alone "+filepath.Join(dir, "busy"))
	log = filepath.Join(dir, "log")
	t.Setenv(vmtest.LogEnv, log)
	f.host, _ = deskOf(t)
	write(t, filepath.Join(f.source.dir, "modules.dep"), "xhci_pci.ko:\n")
	write(t, filepath.Join(f.source.dir, "xhci_pci.ko"), "ko")
	f.spec.HostDevices, f.spec.Jobs = []string{"usb:046d:c31c"}, 4
	return f, log
}

func TestHostDevice(t *testing.T) {
	f, log := handingOver(t)
	driver := filepath.Join(f.host.Sys, "bus/usb/devices/1-4/1-4:1.0/driver")
	for round := 1; round <= 2; round++ { // nothing comes from the cache
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []results.Device{{Bus: "usb", ID: "046d:c31c", Driver: "fifo", Name: "Keyboard", Own: true}}
		for _, rec := range res.Records {
			if rec.Status != results.Pass || rec.Cached || !reflect.DeepEqual(rec.Hardware, want) {
				t.Errorf("%s@%s %s: %s %v %+v", rec.Status, rec.Stage, rec.Code, rec.Reason, rec.Cached, rec.Hardware)
			}
		}
		said, _ := os.ReadFile(log)
		one := "add-fd " + filepath.Join(f.host.Dev, "bus/usb/001/007") + "\ndevice_add usb-host,hostdevice=/dev/fdset/7,id=own-0,bus=plugs.0\n"
		if string(said) != strings.Repeat(one, 2*round) {
			t.Errorf("QEMU was asked %q", said)
		}
	}
	// A guest that was killed leaves the device without its driver: the kernel is asked for it at the end of the run.
	vmtest.Install(t, "call pass\npoweroff\n")
	f.handOver = unbinding(f.handOver, driver)
	if _, err := f.run(t, t.Context()); err != nil {
		t.Fatal(err)
	}
	if probed, _ := os.ReadFile(filepath.Join(f.host.Sys, "bus/usb/drivers_probe")); string(probed) != "1-4:1.0" {
		t.Errorf("asked for drivers of %q", probed)
	}
	if last := f.notices(); !strings.Contains(last, "give back usb:046d:c31c@1-4: the driver usbhid has it no more: plug it in again, or as root: echo 1-4:1.0 >/sys/bus/usb/drivers_probe") {
		t.Errorf("said:\n%s", last)
	}
}

// What keeps a device from its guest is said before anything is built, with the cure.
func TestHostDeviceThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *fixture)
		want   string
	}{
		"no device":    {func(f *fixture) { f.spec.HostDevices = []string{"usb:1234:5678"} }, "--host-device usb:1234:5678: no such USB device is attached; there 046d:c31c@1-4"},
		"none at all":  {func(f *fixture) { f.spec.HostDevices = []string{"pci:03:00.0"} }, "--host-device pci:03:00.0: there is no PCI device at that address"},
		"no such word": {func(f *fixture) { f.spec.HostDevices = []string{"scsi:1"} }, `--host-device "scsi:1" is no device of this machine: write usb:VVVV:PPPP`},
		"twice":        {func(f *fixture) { f.spec.HostDevices = []string{"usb:046d:c31c", "usb:046d:c31c@1-4"} }, "it is asked for twice"},
		"another QEMU": {func(*fixture) { vmtest.Install(t, "lack device-list-properties") }, "this QEMU cannot hand over USB devices of the host"},
		"another run": {func(f *fixture) {
			d, err := f.host.Find(hostdevice.Ask{Bus: "usb", ID: "046d:c31c"})
			if err != nil {
				t.Fatal(err)
			}
			taken, err := f.host.Take(f.devicesDir(), d)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { runtime.KeepAlive(taken) }) // its lock goes with it
		}, "--host-device usb:046d:c31c@1-4: another run of modmatrix has it: wait for its end"},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := handingOver(t)
			c.change(f)
			p, err := f.Plan(t.Context(), f.spec)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			_, err = f.Run(t.Context(), p)
			if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if n := f.builds.Load(); n > 0 {
				t.Errorf("%d builds before that was said", n)
			}
		})
	}
}

// A device that the guest never sees is our trouble, and none of the module's.
func TestHostDeviceThatIsNotHandedOver(t *testing.T) {
	f, _ := handingOver(t)
	f.host, f.spec.Kernels = hostdevice.Host{Sys: f.host.Sys, Dev: f.host.Dev, Proc: f.host.Proc}, Selectors("debian:old")
	f.handOver = refusing(errors.New("hand over the USB device: failed to open host usb device"))
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec := res.Records[0]
	if want := "--host-device usb:046d:c31c@1-4: hand over the USB device: failed to open host usb device"; rec.Status != results.Error || rec.Code != results.CodeInfra || !strings.Contains(rec.Reason, want) {
		t.Errorf("%s@%s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
	}
}

// Ctrl-C gives the device back as well.
func TestHostDeviceOfAnInterruptedRun(t *testing.T) {
	f, _ := handingOver(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.handOver = interrupting(f.handOver, cancel)
	if _, err := f.run(t, ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	d, err := f.host.Find(hostdevice.Ask{Bus: "usb", ID: "046d:c31c"})
	if err != nil {
		t.Fatal(err)
	}
	taken, err := f.host.Take(f.devicesDir(), d)
	if err != nil {
		t.Fatalf("it is still taken: %v", err)
	}
	if err := taken.GiveBack(); err != nil {
		t.Error(err)
	}
}

type plugFunc = func(ctx context.Context, number int, f *os.File) error

// unbinding plugs, and has the driver gone then.
func unbinding(real func(*vm.Process) plugFunc, driver string) func(*vm.Process) plugFunc {
	return func(p *vm.Process) plugFunc {
		return func(ctx context.Context, n int, f *os.File) error {
			os.Remove(driver)
			return real(p)(ctx, n, f)
		}
	}
}

func refusing(err error) func(*vm.Process) plugFunc {
	return func(*vm.Process) plugFunc { return func(context.Context, int, *os.File) error { return err } }
}

func interrupting(real func(*vm.Process) plugFunc, cancel func()) func(*vm.Process) plugFunc {
	return func(p *vm.Process) plugFunc {
		return func(ctx context.Context, n int, f *os.File) error {
			defer cancel()
			return real(p)(ctx, n, f)
		}
	}
}
