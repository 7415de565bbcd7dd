package vm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/modmatrix/modmatrix/results/arch"
)

type arguments []string

// backends are the backends of every channel's character device, as a -chardev option begins.
type backends struct {
	console, report, terminal string
	monitor                   string // empty for no monitor
	debug                     string // empty for no debugger
}

// argv is QEMU's arguments, without its name, in a fixed order: a saved guest can only be restored into the same devices.
func (m *Machine) argv(b backends, ram *ramFile) []string {
	q := m.qemu()
	argv := slices.Concat(bare, m.hardware(ram), m.boot(ram), bus(q.Bus), line("report", q.Report), line("terminal", q.Terminal), m.drive(), m.emulated(),
		m.handedOver(), m.sockets(), channelTo("console", b.console, arch.Line{}), channelTo("report", b.report, q.Report), channelTo("terminal", b.terminal, q.Terminal))
	if b.monitor != "" { // -S keeps the processor still until we are connected: no event can be missed
		argv = append(argv, "-chardev", b.monitor+",id=qmp", "-mon", "chardev=qmp,mode=control", "-S")
	}
	if b.debug != "" {
		argv = append(argv, "-chardev", b.debug+",id=debug", "-gdb", "chardev:debug")
	}
	if ram.isClone() {
		argv = append(argv, "-incoming", "defer") // migrate-incoming will say where the state comes from
	}
	return argv
}

// ramFile is a file that holds the guest's memory: shared for a template in the making, else of a clone, which has a private
// copy of what it writes (MAP_PRIVATE). QEMU opens it for writing all the same: before 8.2 (rom=off), readonly=on would keep
// the guest from writing to its own copy as well.
type ramFile struct {
	path   string
	shared bool
}

func (ram *ramFile) isClone() bool { return ram != nil && !ram.shared }

// bare removes all that QEMU adds by itself and does not need of the host: TCG promises no security, so the sandbox is always on.
var bare = arguments{
	"-nodefaults", "-no-user-config",
	"-display", "none",
	"-nic", "none",
	"-no-reboot", // a panic or triple fault ends QEMU instead of starting over
	"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
}

func (m *Machine) hardware(ram *ramFile) arguments {
	a, cpus, mib := m.Accel.on(m.qemu()), cmp.Or(m.CPUs, DefaultCPUs), cmp.Or(m.MemoryMiB, DefaultMemoryMiB)
	args := arguments{"-machine", m.qemu().Machine, "-accel", a.Name, "-cpu", a.CPU, "-smp", strconv.Itoa(cpus), "-m", fmt.Sprintf("%dM", mib)}
	if ram == nil {
		return args
	}
	args[1] += ",memory-backend=ram"
	share := map[bool]string{true: "on", false: "off"}[ram.shared]
	return append(args, "-object", fmt.Sprintf("memory-backend-file,id=ram,size=%dM,share=%s,mem-path=%s", mib, share, escape(ram.path)))
}

// escape writes a value that stands among other options: QEMU reads a doubled comma as one.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// boot names the files in arguments of their own, where QEMU does not read a comma as the start of an option. A clone
// has booted already: QEMU would read what nobody uses, 13 MiB and 14 ms for each clone.
func (m *Machine) boot(ram *ramFile) arguments {
	if ram.isClone() || m.Kernel == "" {
		return nil
	}
	d := arguments{"-kernel", m.Kernel, "-append", m.cmdline()}
	if m.Initrd != "" {
		d = append(d, "-initrd", m.Initrd)
	}
	return d
}

// drive is the only virtio disk, so that it is the guest's first whatever other devices there are.
func (m *Machine) drive() arguments {
	if m.Drive == "" {
		return nil
	}
	var d arguments
	if set, ok := strings.CutPrefix(m.Drive, fdSet); ok {
		d = arguments{"-add-fd", "fd=" + set + ",set=" + set}
	}
	return append(d,
		"-blockdev", "driver=file,node-name=drive,read-only=on,filename="+escape(m.Drive),
		"-device", m.qemu().Disk+",drive=drive",
	)
}

// channelTo is a line's end on the host. All are always there, so that machines differ only in their backends. Those of the machine's own serial
// ports are the console, the report, the terminal, in this order.
func channelTo(id, backend string, to arch.Line) arguments {
	args := arguments{"-chardev", backend + ",id=" + id}
	if to.Device == "" {
		args = append(args, "-serial", "chardev:"+id)
	}
	return args
}

// line is the device of a line that is none of the machine's own ports. It stands before all others of the user's: the kernel numbers
// lines in the order of their devices.
func line(id string, l arch.Line) arguments {
	if l.Device == "" {
		return nil
	}
	return arguments{"-device", l.Device + ",chardev=" + id}
}

// bus is the device that lines hang on.
func bus(device string) arguments {
	if device == "" {
		return nil
	}
	return arguments{"-device", device}
}

// kernelWords are the words on every machine. None changes what is tested: mitigations and random layout are not touched.
var kernelWords = []string{
	"panic=-1",             // a panic ends the guest at once (with -no-reboot): no waiting for a deadline
	"oops=panic",           // nothing that runs after an oops is evidence; this also stops a flood of them
	"ignore_loglevel",      // every line of the log is evidence
	"printk.time=1",        // lines carry their time, whatever the configuration says
	"printk.devkmsg=on",    // what PID 1 writes to /dev/kmsg is not rate-limited
	"8250.nr_uarts=4",      // kernels built with fewer would hide the report and the terminal
	"sysrq_always_enabled", // Diagnose may send keys on the console (drivers/tty/sysrq.c)
}

// emulatedWords raise the time limits of an emulated kernel: that a busy host did not schedule the guest for half a minute
// is no fault of its kernel. Locks that are never released are found all the same, later.
var emulatedWords = []string{
	"watchdog_thresh=55",                 // soft lockup after 110 s, not 20 (kernel/watchdog.c; 60 is the most)
	"rcupdate.rcu_cpu_stall_timeout=120", // not 21 (kernel/rcu/update.c)
	"workqueue.watchdog_thresh=120",      // not 30 (kernel/workqueue.c)
}

func (m *Machine) cmdline() string {
	a := m.qemu()
	words := append([]string{"console=" + a.Console}, kernelWords...)
	if m.Accel.on(a).Name == "tcg" {
		words = append(words, emulatedWords...)
	}
	words = append(words, a.Words...)
	return strings.Join(append(words, m.Args...), " ")
}

// checkWords refuses what the kernel's parser, which knows quotes and no escapes, would split or join (Linux lib/cmdline.c).
func checkWords(words []string) error {
	for _, word := range words {
		quoted := false
		for _, r := range word {
			switch {
			case unicode.IsControl(r):
				return fmt.Errorf("kernel argument %q has a control character", word)
			case r == '"':
				quoted = !quoted
			case unicode.IsSpace(r) && !quoted:
				return fmt.Errorf("kernel argument %q has a space outside of double quotes: give two arguments", word)
			}
		}
		if word == "" || quoted {
			return fmt.Errorf("kernel argument %q is empty or ends within double quotes", word)
		}
	}
	return nil
}
