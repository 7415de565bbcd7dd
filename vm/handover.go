package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"
)

// A guest gets nothing of the host but what its owner hands over by name: a USB device that we open and QEMU is given, plugged
// into a guest that may be a clone, or a PCI device that VFIO has, which is there from power-on.

const (
	hostUSBModel = "usb-host"
	hostPCIModel = "vfio-pci"
)

var pciAddress = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)

func (m *Machine) checkHostPCI() error {
	for _, at := range m.HostPCI {
		if !pciAddress.MatchString(at) {
			return fmt.Errorf("%.40q is no address of a PCI device", at)
		}
	}
	return nil
}

// handedOver are the host's PCI devices in the machine.
func (m *Machine) handedOver() (args arguments) {
	for i, at := range m.HostPCI {
		args = append(args, "-device", fmt.Sprintf("%s,host=%s,id=own-%d", hostPCIModel, at, i))
	}
	return args
}

// HandOver plugs a USB device of the host, which file is open to, into the machine's controller; the machine must have HostUSB. QEMU
// has the file then, and the caller closes it. number distinguishes the devices of a guest.
func (p *Process) HandOver(ctx context.Context, number int, file *os.File) error {
	set, err := p.monitor.passSet(ctx, file)
	if err == nil {
		err = p.hotplug(ctx, fmt.Sprintf("device_add %s,hostdevice=%s%d,id=own-%d,bus=%s.0", hostUSBModel, fdSet, set, number, usbID))
	}
	if err != nil {
		return fmt.Errorf("hand over the USB device: %w", err)
	}
	return nil
}

// passSet sends QEMU a file of which its devices find copies below fdSet, and returns the number of the set.
func (m *monitor) passSet(ctx context.Context, f *os.File) (int, error) {
	var set struct {
		Number *int `json:"fdset-id"`
	}
	out, err := m.passTo(ctx, "add-fd", nil, f)
	if err == nil {
		err = json.Unmarshal(out, &set)
	}
	if err == nil && set.Number == nil {
		err = errors.New("QEMU did not take the file")
	}
	if err != nil {
		return 0, err
	}
	return *set.Number, nil
}

// TryHandOver returns an error unless QEMU can have devices of the host: of USB, of PCI.
func TryHandOver(ctx context.Context, arch string, usb, pci bool) error {
	m := &Machine{Arch: arch, Paused: true, HostUSB: usb}
	if _, err := lookupArch(arch); err != nil || !usb && !pci {
		return err
	}
	p, err := m.start(ctx, nil, m.letRun)
	if err != nil {
		return err
	}
	defer p.Wait()
	defer p.Kill()
	for _, want := range []struct {
		asked                bool
		model, option, brief string
	}{{usb, hostUSBModel, "hostdevice", "USB devices of the host (usb-host with hostdevice, since 5.1, built with libusb: in Debian the package qemu-system-common)"},
		{pci, hostPCIModel, "host", "PCI devices of the host (vfio-pci)"}} {
		if want.asked && !p.hasOption(ctx, want.model, want.option) {
			return fmt.Errorf("this QEMU cannot hand over %s: install one that can", want.brief)
		}
	}
	return nil
}

func (p *Process) hasOption(ctx context.Context, model, option string) bool {
	var options []struct {
		Name string `json:"name"`
	}
	out, err := p.monitor.Exec(ctx, "device-list-properties", map[string]string{"typename": model})
	if err != nil || json.Unmarshal(out, &options) != nil {
		return false
	}
	return slices.ContainsFunc(options, func(o struct {
		Name string `json:"name"`
	}) bool {
		return o.Name == option
	})
}

// vfioSpareMiB is what VFIO pins beside a guest's memory: firmware, video memory, the device's own.
const vfioSpareMiB = 512

// AllowVFIO sees to it that QEMU, as whoever it runs as, may use the group of a PCI device (node, below /dev/vfio) in a guest with so
// much memory, all of which is pinned. The error says in one line what is missing, and the cure.
func AllowVFIO(node string, mib int) error {
	u, err := otherUser()
	if err != nil {
		return err
	}
	if !mayOpen(u, node) {
		return fmt.Errorf(`QEMU may not open %s: as root, write the line 'SUBSYSTEM=="vfio", GROUP="kvm", MODE="0660"' to /etc/udev/rules.d/70-modmatrix.rules, run udevadm control --reload and udevadm trigger%s`, node, inGroup(u))
	}
	return allowPinned(uint64(mib+vfioSpareMiB) << 20)
}

func inGroup(u *user) string {
	if u != nil {
		return "" // it is given the group of the file
	}
	return ", and be in the group kvm"
}

// mayOpen reports whether QEMU may open a device for reading and writing: as u, which is given the group of the file, or as we may.
func mayOpen(u *user, node string) bool {
	if u == nil {
		return unix.Access(node, unix.R_OK|unix.W_OK) == nil
	}
	info, err := os.Stat(node)
	_, group := groupOf(node)
	return err == nil && (group || info.Mode()&allUse == allUse)
}

// allowPinned raises the limit of pinned memory, which QEMU inherits, as far as we may.
func allowPinned(bytes uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("read the limit of pinned memory: %w", err)
	}
	if limit.Cur >= bytes {
		return nil
	}
	limit.Cur, limit.Max = bytes, max(limit.Max, bytes) // beyond Max only root may go
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("a guest with a PCI device pins its memory, %d MiB here, and this user may pin less: as root, write 'USER - memlock unlimited' to /etc/security/limits.d/modmatrix.conf, and log in again", bytes>>20)
	}
	return nil
}
