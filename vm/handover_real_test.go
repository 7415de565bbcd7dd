package vm_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"
	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/hostdevice"
)

// usbTreeEnv names the folder of a kernel with USB, as the store has it: boot/vmlinuz-RELEASE and usr/lib/modules/RELEASE.
const usbTreeEnv = "MODMATRIX_TEST_USB_TREE"

// usbModules are what a keyboard needs, in load order.
var usbModules = []string{"drivers/usb/common/usb-common", "drivers/usb/core/usbcore", "drivers/usb/host/xhci-hcd", "drivers/usb/host/xhci-pci",
	"drivers/hid/hid", "drivers/hid/hid-generic", "drivers/hid/usbhid/usbhid"}

// TestHandOverWithinAGuest holds the last step of a hand-over against a real kernel's usbfs, libusb and QEMU: in a guest that is the machine, whose
// keyboard QEMU emulates, this very package starts another QEMU. The guest's driver has the keyboard before and after.
func TestHandOverWithinAGuest(t *testing.T) {
	tree := os.Getenv(usbTreeEnv)
	if tree == "" {
		t.Skipf("set %s to a kernel's folder in the store to hand a keyboard to a QEMU within a guest", usbTreeEnv)
	}
	images, _ := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if len(images) != 1 {
		t.Fatalf("no image in %s", tree)
	}
	var console, report vm.BoundedLog
	m := &vm.Machine{Arch: "x86_64", Kernel: images[0], Initrd: machineWithin(t, tree, images[0]), MemoryMiB: 1024, Devices: []string{"qemu-xhci,id=x", "usb-kbd,bus=x.0"},
		Args: []string{"act=handover"}, Console: &console, Report: &report}
	p, err := m.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Wait()
	text := report.String()
	t.Logf("%s %v\n%s", out.Reason, err, text)
	at := 0
	for _, want := range []string{"driver usbhid", "found usb:0627:0001@", "handed over", "driver none", "killed", "driver none", "gave back <nil>", "driver usbhid",
		"a run has it", "driver none", "run killed", "driver none", "recovered an earlier run was killed: its device usb:0627:0001@", "driver usbhid", "done"} {
		i := strings.Index(text[at:], want)
		if i < 0 {
			t.Fatalf("no %q after\n%s\nconsole:\n%s", want, text[:at], console.String())
		}
		at += i + len(want)
	}
}

// machineWithin is an initramfs with this test, QEMU, and what both need.
func machineWithin(t *testing.T, tree, image string) string {
	t.Helper()
	records := []cpio.Record{cpio.CharDev("dev/console", 0o600, 5, 1)}
	add := func(name, path string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, cpio.StaticFile(strings.TrimPrefix(name, "/"), string(data), 0o755))
	}
	binary := filepath.Join(t.TempDir(), "init")
	build := exec.Command("go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	add("init", binary)
	add("vmlinuz", image)
	modules, _ := filepath.Glob(filepath.Join(tree, "usr/lib/modules/*/kernel"))
	for i, name := range usbModules {
		add(fmt.Sprintf("modules/%02d.ko", i), filepath.Join(modules[0], name+".ko"))
	}
	programs := []string{"/usr/bin/qemu-system-x86_64", "/usr/lib/x86_64-linux-gnu/qemu/hw-usb-host.so", "/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"}
	for _, path := range append(append(neededBy(t, programs...), programs...), "/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/linuxboot_dma.bin", "/usr/share/qemu/kvmvapic.bin") {
		add(path, path)
	}
	var archive bytes.Buffer
	w := cpio.Newc.Writer(&archive)
	if err := cpio.WriteRecordsAndDirs(w, records); err != nil {
		t.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "machine.cpio")
	if err := os.WriteFile(path, archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// neededBy are the libraries of programs, and their loader.
func neededBy(t *testing.T, programs ...string) (all []string) {
	t.Helper()
	for _, program := range programs {
		out, err := exec.Command("ldd", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(out)) {
			if strings.HasPrefix(word, "/") && !slices.Contains(all, word) {
				all = append(all, word)
			}
		}
	}
	return all
}

// runEnv makes this binary the run that is killed.
const runEnv = "VM_TEST_RUN"

const keyboardID = "0627:0001"

// handOver is the act of the machine within: PID 1 is a run of its own first, and then watches one that is killed.
func handOver(report io.Writer) {
	say := func(format string, args ...any) { fmt.Fprintf(report, format+"\n", args...) }
	unix.Mount("sys", "/sys", "sysfs", 0, "")
	os.MkdirAll("/tmp", 0o777)
	os.Setenv("PATH", "/usr/bin")
	os.Setenv("LD_LIBRARY_PATH", "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu")
	for i := range usbModules {
		f, err := os.Open(fmt.Sprintf("/modules/%02d.ko", i))
		if err == nil {
			err = unix.FinitModule(int(f.Fd()), "", 0)
		}
		if err != nil {
			say("load %s: %v", usbModules[i], err)
		}
	}
	for start := time.Now(); driverOfKeyboard() == "none" && time.Since(start) < 2*time.Minute; time.Sleep(100 * time.Millisecond) {
	}
	say("driver %s", driverOfKeyboard())
	taken, p, err := handKeyboard()
	if err != nil {
		say("failed: %v", err)
		return
	}
	say("found %s", taken.Device)
	say("handed over")
	say("driver %s", driverOfKeyboard())
	p.Kill()
	p.Wait()
	say("killed")
	say("driver %s", driverOfKeyboard())
	say("gave back %v", taken.GiveBack())
	say("driver %s", driverOfKeyboard())

	run := exec.Command("/init")
	run.Env = append(os.Environ(), runEnv+"=1")
	run.Stderr = os.Stderr
	stdout, _ := run.StdoutPipe()
	if err := run.Start(); err != nil {
		say("failed: %v", err)
		return
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	say("%s", strings.TrimSpace(line))
	say("driver %s", driverOfKeyboard())
	run.Process.Signal(syscall.SIGKILL)
	run.Wait()
	say("run killed")
	awaitNoQEMU() // it dies with the run
	say("driver %s", driverOfKeyboard())
	say("recovered %s", strings.Join(hostdevice.Host{}.Recover("/devices"), "; "))
	say("driver %s", driverOfKeyboard())
	say("done")
}

// awaitNoQEMU returns when none lives; what is dead and has no parent to reap it is none.
func awaitNoQEMU() {
	for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(100 * time.Millisecond) {
		lives := false
		processes, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, path := range processes {
			stat, _ := os.ReadFile(path)
			lives = lives || strings.Contains(string(stat), "(qemu-") && !strings.Contains(string(stat), ") Z ")
		}
		if !lives {
			return
		}
	}
}

// beRun is the run that is killed.
func beRun() {
	if _, _, err := handKeyboard(); err != nil {
		fmt.Println("failed:", err)
	}
	fmt.Println("a run has it")
	time.Sleep(time.Hour)
}

func handKeyboard() (*hostdevice.Taken, *vm.Process, error) {
	ctx, h := context.Background(), hostdevice.Host{}
	d, err := h.Find(hostdevice.Ask{Bus: hostdevice.USB, ID: keyboardID})
	if err != nil {
		return nil, nil, err
	}
	taken, err := h.Take("/devices", d)
	if err != nil {
		return nil, nil, err
	}
	m := &vm.Machine{Arch: "x86_64", Kernel: "/vmlinuz", MemoryMiB: 64, HostUSB: true, Paused: true}
	p, err := m.Start(ctx)
	if err != nil {
		return nil, nil, err
	}
	f, err := taken.Open()
	if err == nil {
		err = p.HandOver(ctx, 0, f)
		f.Close()
	}
	return taken, p, err
}

func driverOfKeyboard() string {
	interfaces, _ := filepath.Glob("/sys/bus/usb/devices/*:1.0")
	for _, dir := range interfaces {
		device := filepath.Join("/sys/bus/usb/devices", strings.TrimSuffix(filepath.Base(dir), ":1.0"))
		vendor, _ := os.ReadFile(filepath.Join(device, "idVendor"))
		product, _ := os.ReadFile(filepath.Join(device, "idProduct"))
		if strings.TrimSpace(string(vendor))+":"+strings.TrimSpace(string(product)) != keyboardID {
			continue // a controller's own hub, for one
		}
		if target, err := os.Readlink(filepath.Join(dir, "driver")); err == nil {
			return filepath.Base(target)
		}
	}
	return "none"
}
