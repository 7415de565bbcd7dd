package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// An emulated device is a row of QEMU's -device, as in "edu" or "usb-mouse,bus=xhci.0". One that names anything of the host is
// refused, as the guest is not trusted: a -device can read files, take the host's own devices, and open our ports.

// CheckDevice says in one line what is wrong with a row, without asking QEMU whether it has such a device.
func CheckDevice(row string) error {
	name, options, more := strings.Cut(row, ",")
	if !deviceName.MatchString(name) || strings.EqualFold(name, "help") { // QEMU would list what it has, and end
		return fmt.Errorf("device %q: write it as QEMU's -device does: NAME, or NAME,KEY=VALUE,…", row)
	}
	if hostDevice.MatchString(name) {
		return fmt.Errorf("device %q: %s reaches out of the guest: take one that QEMU emulates", row, name)
	}
	if !more {
		return nil
	}
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch {
		case !deviceName.MatchString(key) || !deviceValue.MatchString(value):
			return fmt.Errorf("device %q: %q: write KEY=VALUE with letters, digits and any of . _ : + -", row, option)
		case hostKey.MatchString(strings.ToLower(key)):
			return fmt.Errorf("device %q: the option %s names a thing of the host, and a guest gets none", row, key)
		}
	}
	return nil
}

var (
	deviceName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	deviceValue = regexp.MustCompile(`^[A-Za-z0-9._:+-]+$`)
	// hostDevice are devices that use something of the host without an option that names it, or whose every option does
	// (QEMU hw/vfio, hw/virtio/vhost-*, hw/usb, hw/core/*loader.c).
	hostDevice = regexp.MustCompile(`(?i)^(vhost-.*|vfio.*|xen-.*|ivshmem.*|(guest-)?loader|usb-(host|redir|mtp|ccid-.*)|ccid-.*|.*-passthr.*|.*-emulated)$`)
	// hostKey are options whose value is a file or an object of the host, and the one that would make it another device.
	hostKey = regexp.MustCompile(`^(driver|drive|chardev|rng|iothread.*|host.*|rootdir|hidraw|.*dev|.*fd|.*file|.*path)$`)
)

// emulated are the machine's rows. Sound among them goes to a null backend: QEMU would look for the host's by default.
func (m *Machine) emulated() arguments {
	if len(m.Devices) == 0 {
		return nil
	}
	args := arguments{"-audiodev", "none,id=nowhere"}
	for _, row := range m.Devices {
		args = append(args, "-device", row)
	}
	return args
}

// deviceOption is what QEMU puts before its complaint about a row.
const deviceOption = "-device "

// TryDevices starts an empty machine with the rows and with sockets for the plugs, plugs those in, and returns QEMU's own
// words where it refuses one. The error wraps ErrNoQEMU where there is none.
func TryDevices(ctx context.Context, arch string, rows []string, plugs []Plug) error {
	if _, err := lookupArch(arch); err != nil {
		return err
	}
	m := &Machine{Arch: arch, Devices: rows, Plugs: plugs, Paused: true}
	if err := cmp.Or(m.checkDevices(), m.checkPlugs()); err != nil || len(rows)+len(plugs) == 0 {
		return err
	}
	p, err := m.start(ctx, nil, m.letRun)
	if err != nil {
		text := err.Error()
		if i := strings.LastIndex(text, deviceOption); i >= 0 {
			return errors.New(text[i+len(deviceOption):])
		}
		return err
	}
	defer p.Wait()
	defer p.Kill()
	for _, d := range plugs {
		if err := p.hotplug(ctx, "device_add "+d.row()); err != nil {
			return fmt.Errorf("%s (%s): %w", d.Name, d.Row, err)
		}
	}
	return nil
}

func (m *Machine) checkDevices() error {
	for _, row := range m.Devices {
		if err := CheckDevice(row); err != nil {
			return err
		}
	}
	return nil
}
