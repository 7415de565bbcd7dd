package vm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A stand-in is a device of QEMU's that a driver can take for its hardware: a row of QEMU's -device, as in "edu" or
// "usb-mouse,bus=xhci.0". It lives in the guest alone. What reaches for anything of the host is refused, as a guest with
// a module under test is a stranger: a -device can read files, take the host's own devices, and open our ports.

// CheckDevice says in one line what is wrong with a row, without asking QEMU whether it has such a device.
func CheckDevice(row string) error {
	name, options, more := strings.Cut(row, ",")
	if !deviceName.MatchString(name) || strings.EqualFold(name, "help") { // at which QEMU lists what it has, and ends
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
	// hostDevice are devices that take something of the host without an option that names it, or whose options are
	// nothing else (QEMU hw/vfio, hw/virtio/vhost-*, hw/usb, hw/core/*loader.c).
	hostDevice = regexp.MustCompile(`(?i)^(vhost-.*|vfio.*|xen-.*|ivshmem.*|(guest-)?loader|usb-(host|redir|mtp|ccid-.*)|ccid-.*|.*-passthr.*|.*-emulated)$`)
	// hostKey are options whose value is a file, or an object at the other end of which the host is; and the one that
	// would make another device of it.
	hostKey = regexp.MustCompile(`^(driver|drive|chardev|rng|iothread.*|host.*|rootdir|hidraw|.*dev|.*fd|.*file|.*path)$`)
)

// standIns gives the machine its rows, after everything of ours. Sound among them goes nowhere: left alone, QEMU would
// look for what the host has.
func (m *Machine) standIns() device {
	if len(m.Devices) == 0 {
		return nil
	}
	d := device{"-audiodev", "none,id=nowhere"}
	for _, row := range m.Devices {
		d = append(d, "-device", row)
	}
	return d
}

// tryTimeout bounds an empty machine's start and end, which take 50 ms.
const tryTimeout = 30 * time.Second

// TryDevices asks QEMU for an empty machine with the rows and with places for the plugs, plugs those in, and gives QEMU's
// own words where it refuses.
func TryDevices(ctx context.Context, arch string, rows []string, plugs []Plug) error {
	m := Machine{Arch: arch, Devices: rows, Plugs: plugs}
	if err := cmp.Or(m.checkDevices(), m.checkPlugs()); err != nil || len(rows)+len(plugs) == 0 {
		return err
	}
	a, err := lookupArch(arch)
	if err != nil {
		return err
	}
	path, err := lookQEMU(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, tryTimeout, errors.New("QEMU did not come up"))
	defer cancel()
	cmd := exec.CommandContext(ctx, path, slices.Concat(bare(), m.board(nil), device{"-S", "-qmp", "stdio"}, m.standIns(), m.places())...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Stdin = strings.NewReader(m.plugAll())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if other, err := otherUser(); err != nil {
		return err
	} else if other != nil {
		other.become(cmd.SysProcAttr, m.Accel)
		cmd.Dir, cmd.Env = "/", []string{}
	}
	runtime.LockOSThread() // QEMU dies with the thread that starts it; see launch
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if text := deviceWords(stderr.String()); err != nil && text != "" {
		return errors.New(text)
	}
	return cmp.Or(err, m.plugAnswers(stdout.Bytes()))
}

// deviceWords are the words of QEMU's last complaint, without the name of the program before them.
func deviceWords(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := lines[len(lines)-1]
	if i := strings.Index(last, "-device "); i >= 0 {
		return last[i+len("-device "):]
	}
	return last
}

func (m *Machine) checkDevices() error {
	for _, row := range m.Devices {
		if err := CheckDevice(row); err != nil {
			return err
		}
	}
	return nil
}
