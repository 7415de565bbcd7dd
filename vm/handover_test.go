package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Nothing of the host is on a command line but what was handed over by its address.
func TestArgvOfHandedOverDevices(t *testing.T) {
	m := &Machine{Arch: "x86_64", Kernel: "/k", HostUSB: true, HostPCI: []string{"0000:03:00.0", "0001:af:1f.7"}}
	argv := strings.Join(m.argv(plainBackends, nil), " ")
	for _, want := range []string{" -device vfio-pci,host=0000:03:00.0,id=own-0 -device vfio-pci,host=0001:af:1f.7,id=own-1 ", " -device qemu-xhci,id=plugs,p2=8,p3=8 "} {
		if !strings.Contains(argv, want) {
			t.Errorf("no %q in %s", want, argv)
		}
	}
	if strings.Contains(argv, hostUSBModel) {
		t.Errorf("a USB device is there from power-on: %s", argv)
	}
	for _, at := range []string{"", "03:00.0", "0000:03:00.8", "0000:03:00.0,romfile=/etc/shadow", "0000:03:00.0\n", "../0000:03:00.0"} {
		m.HostPCI = []string{at}
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "no address of a PCI device") {
			t.Errorf("%q: %v", at, err)
		}
	}
}

// A clone with a controller for devices of the host is of a template with one, whatever the devices are.
func TestTheControllerIsInTheKey(t *testing.T) {
	args := func(m Machine) string { return strings.Join(m.withoutPaths(), " ") }
	if args(Machine{Arch: "x86_64", Kernel: "/k"}) == args(Machine{Arch: "x86_64", Kernel: "/k", HostUSB: true}) {
		t.Error("the controller is not in the key")
	}
}

func TestGroupsOfQEMU(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	node := filepath.Join(t.TempDir(), "12")
	for _, c := range []struct {
		mode os.FileMode
		gid  int
		may  bool
	}{{0o600, 78, false}, {0o660, 78, true}, {0o660, 0, false}, {0o666, 0, true}, {0o640, 78, false}} {
		if err := os.WriteFile(node, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(node, 0, c.gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(node, c.mode); err != nil {
			t.Fatal(err)
		}
		if got := mayOpen(&user{nobody, nobody}, node); got != c.may {
			t.Errorf("%v of group %d: %v", c.mode, c.gid, got)
		}
	}
	if err := AllowVFIO(filepath.Join(t.TempDir(), "none"), 256); err == nil || !strings.Contains(err.Error(), `SUBSYSTEM=="vfio"`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestPinnedMemory(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &before); err != nil {
		t.Fatal(err)
	}
	if before.Max == unix.RLIM_INFINITY && before.Cur != unix.RLIM_INFINITY {
		before.Cur = before.Max
	}
	if err := allowPinned(before.Cur); err != nil {
		t.Errorf("what is allowed: %v", err)
	}
	var after unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &after); err != nil || after.Max != before.Max {
		t.Errorf("the limit was %v and is %v, %v", before, after, err)
	}
}
