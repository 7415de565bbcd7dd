package vm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// device is one part of a machine: the words that give it to QEMU.
type device []string

// backends names for every channel what QEMU joins it to, as the head of a -chardev option.
type backends struct {
	console, report, terminal string
	monitor                   string // empty for no monitor
}

// byHand lets a person type the command line: the kernel log comes to their terminal.
var byHand = backends{console: "stdio", report: "null", terminal: "null"}

// CommandLine gives the command that runs the same guest by hand, with the kernel log on standard output and without
// our channels: for a person who wants to see for themselves.
func (m *Machine) CommandLine() []string {
	return append([]string{archs[m.Arch].binary}, m.argv(byHand, nil)...)
}

// argv is QEMU's whole argument list, without its name. Devices come in a fixed order: a guest that was saved can
// only be restored into the same one.
func (m *Machine) argv(b backends, ram *ramFile) []string {
	devices := []device{bare(), m.board(ram), m.processor(), m.memory(ram), m.boot(ram), m.drive(), m.standIns(), m.places()}
	devices = append(devices, serial("console", b.console), serial("report", b.report), serial("terminal", b.terminal))
	if b.monitor != "" {
		devices = append(devices, monitor(b.monitor))
	}
	if ram.isClone() {
		devices = append(devices, device{"-incoming", "defer"}) // QEMU waits to be told where a state comes from
	}
	return slices.Concat(devices...)
}

// ramFile is a file that holds the guest's memory. Shared, what the guest writes goes into the file: a template in the
// making. Else it is a clone, which reads the file and keeps to itself what it writes (MAP_PRIVATE). QEMU wants to open
// it for writing all the same: before 8.2 (rom=off), readonly=on would keep the guest from its own copy as well.
type ramFile struct {
	path   string
	shared bool
}

func (ram *ramFile) isClone() bool { return ram != nil && !ram.shared }

// bare takes away all that QEMU would add by itself, and what its process does not need of the host: TCG promises no
// security, so the sandbox is not for KVM alone.
func bare() device {
	return device{
		"-nodefaults", "-no-user-config",
		"-display", "none",
		"-nic", "none",
		"-no-reboot", // a panic or triple fault ends QEMU instead of starting over
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	}
}

func (m *Machine) board(ram *ramFile) device {
	board := archs[m.Arch].machine
	if ram != nil {
		board += ",memory-backend=ram"
	}
	return device{"-machine", board}
}

func (m *Machine) processor() device {
	a, cpus := m.Accel.orDefault(), orDefault(m.CPUs, DefaultCPUs)
	return device{"-accel", a.Name, "-cpu", a.CPU, "-smp", strconv.Itoa(cpus)}
}

func (m *Machine) memory(ram *ramFile) device {
	mib := orDefault(m.MemoryMiB, DefaultMemoryMiB)
	d := device{"-m", fmt.Sprintf("%dM", mib)}
	if ram == nil {
		return d
	}
	share := "off"
	if ram.shared {
		share = "on"
	}
	object := fmt.Sprintf("memory-backend-file,id=ram,size=%dM,share=%s,mem-path=%s", mib, share, escape(ram.path))
	return append(d, "-object", object)
}

// escape writes a value that stands among other options: QEMU reads a doubled comma as one.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// boot gives the files as arguments of their own, where QEMU does not read a comma as the start of an option. A clone
// has long booted: QEMU would only read and keep what nobody asks for, 13 MiB and 14 ms of each clone's own.
func (m *Machine) boot(ram *ramFile) device {
	if ram.isClone() {
		return nil
	}
	d := device{"-kernel", m.Kernel, "-append", m.cmdline()}
	if m.Initrd != "" {
		d = append(d, "-initrd", m.Initrd)
	}
	return d
}

// drive is a disk of its own kind, so that it is the guest's first whatever else there is.
func (m *Machine) drive() device {
	if m.Drive == "" {
		return nil
	}
	var d device
	if set, lent := strings.CutPrefix(m.Drive, fdSet); lent {
		d = device{"-add-fd", "fd=" + set + ",set=" + set}
	}
	return append(d,
		"-blockdev", "driver=file,node-name=drive,read-only=on,filename="+escape(m.Drive),
		"-device", "virtio-blk-pci,drive=drive",
	)
}

// serial is one 8250 port, the only channel that a stock kernel is sure to have without loading a module.
// All ports are always there, so that machines differ only in what lies behind them.
func serial(id, backend string) device {
	return device{"-chardev", backend + ",id=" + id, "-serial", "chardev:" + id}
}

// monitor also keeps the processor still until we are connected (-S): no event can be missed.
func monitor(backend string) device {
	return device{"-chardev", backend + ",id=qmp", "-mon", "chardev=qmp,mode=control", "-S"}
}
