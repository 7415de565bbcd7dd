package vm

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/modmatrix/modmatrix/results/arch"
)

// Defaults of a Machine's zero fields.
const (
	DefaultMemoryMiB = 256
	DefaultCPUs      = 1
)

// Machine describes one guest. It is plain data: Start does not change it, and one value may be started many times.
type Machine struct {
	Arch   string // uname -m, e.g. "x86_64"
	Kernel string // host path of the image: a bzImage, or a vmlinux with a PVH note
	Initrd string // host path of the initramfs; empty for none

	// Args are words of the kernel's command line, after the default ones: of most parameters the kernel takes the
	// last. A word with a space in it needs double quotes, as the kernel itself wants them.
	Args []string

	MemoryMiB int   // zero means DefaultMemoryMiB
	CPUs      int   // zero means DefaultCPUs
	Accel     Accel // the zero value is TCG with every feature that it can emulate at no great cost

	// Drive is the host path of a raw file, the guest's first virtio disk (virtio-blk-pci), read-only; empty for none.
	Drive string

	// Devices are emulated devices, each a row of QEMU's -device, in order; see CheckDevice.
	Devices []string

	// Plugs are emulated devices that are absent at boot; see Process.Plug.
	Plugs []Plug

	// HostUSB gives the machine a controller for Process.HandOver. HostPCI are addresses, DDDD:BB:DD.F, of the host's own PCI devices
	// that the machine has from power-on, and that AllowVFIO was asked for; no template can be made of it.
	HostUSB bool
	HostPCI []string

	// Console gets the output of the first serial port, the kernel log, and Report that of the second, the frames of PID 1.
	// A slow writer slows the guest; a failing one does not, and Wait returns its error. Nil drops the bytes.
	Console, Report io.Writer

	// Terminal is connected to the third serial port in both directions; nil for none. After the guest's end one Read may
	// still be pending on a Terminal that has no read deadline.
	Terminal io.ReadWriter

	// Debug is the host path of a socket that the machine makes, and listens on for a debugger (QEMU docs/system/gdb.rst); empty for
	// none. Whoever may write to it rules the guest.
	Debug string

	// Paused keeps the processor stopped: Start and Restore return when QEMU is ready, and Resume starts the processor.
	// Until then the content of Drive may change.
	Paused bool
}

// Accel says what runs the guest's instructions.
type Accel struct {
	Name string `json:"name"` // "kvm" or "tcg"; empty means tcg
	CPU  string `json:"cpu"`  // QEMU's -cpu; empty means max under KVM, and what the row of the architecture says under TCG
}

// String returns both in one word, e.g. "kvm+host".
func (a Accel) String() string { return strings.TrimSuffix(cmp.Or(a.Name, "tcg")+"+"+a.CPU, "+") }

// on is the accelerator of a machine that q plays, with what its zero fields mean there.
func (a Accel) on(q arch.QEMU) Accel {
	a.Name = cmp.Or(a.Name, "tcg")
	if a.CPU == "" && a.Name == "tcg" {
		a.CPU = q.CPU
	}
	a.CPU = cmp.Or(a.CPU, "max")
	return a
}

// Validate says in one line what is wrong with the machine, without starting anything.
func (m *Machine) Validate() error {
	a, err := lookupArch(m.Arch)
	if err != nil {
		return err
	}
	if m.Kernel == "" {
		return errors.New("machine without a kernel: name an image to boot")
	}
	if m.MemoryMiB < 0 || m.CPUs < 0 {
		return fmt.Errorf("machine with %d MiB and %d processors: neither can be negative", m.MemoryMiB, m.CPUs)
	}
	if n := cmp.Or(m.Accel.Name, "tcg"); n != "kvm" && n != "tcg" {
		return fmt.Errorf("unknown accelerator %q: kvm and tcg are known", n)
	}
	if err := cmp.Or(checkWords(m.Args), m.checkDevices(), m.checkPlugs(), m.checkHostPCI()); err != nil {
		return err
	}
	if n := len(m.cmdline()) + 1; n > a.QEMU.MaxCmdline {
		return fmt.Errorf("kernel command line of %d bytes: %s takes %d", n, m.Arch, a.QEMU.MaxCmdline)
	}
	return m.checkFiles()
}

// checkFiles looks at the files first, as QEMU's error for a missing one does not name it.
func (m *Machine) checkFiles() error {
	for _, path := range []string{m.Kernel, m.Initrd} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("read boot file: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() == 0 {
			return fmt.Errorf("boot file %s is not a file with something in it", path)
		}
	}
	_, err := m.driveSize()
	return err
}

// driveSize is the size of the drive in bytes, 0 without one.
func (m *Machine) driveSize() (int64, error) {
	if m.Drive == "" {
		return 0, nil
	}
	info, err := os.Stat(m.Drive)
	if err != nil {
		return 0, fmt.Errorf("read drive: %w", err)
	}
	if n := info.Size(); !info.Mode().IsRegular() || n == 0 || n%512 != 0 {
		return 0, fmt.Errorf("drive %s is not a file of whole sectors of 512 bytes", m.Drive)
	}
	return info.Size(), nil
}
