package vm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

type arch struct {
	binary  string // QEMU's system emulator
	pkg     string // the Debian package that has it
	machine string // -machine
	console string // the kernel's name of the first serial port
	// maxCmdline is COMMAND_LINE_SIZE with its NUL (Linux arch/x86/include/asm/setup.h): the kernel cuts what is longer silently.
	maxCmdline int
	kernel     []string // kernel words that only this architecture needs
}

var archs = map[string]arch{
	"x86_64": {
		binary: "qemu-system-x86_64",
		pkg:    "qemu-system-x86",
		// q35: without KVM two seconds faster than the default machine, whose ACPI tables are slow to interpret.
		// The real-time clock stays, as a kernel without one waits a second for it.
		machine:    "q35",
		console:    "ttyS0",
		maxCmdline: 2048,
		kernel: []string{
			"unknown_nmi_panic", // the interrupt that Diagnose sends makes a processor print its stack (arch/x86/kernel/nmi.c)
			// The early test whether the timer ticks counts loops, and panics on a host that is too busy; under hypervisors that
			// it knows a kernel omits the test by itself (arch/x86/kernel/apic/io_apic.c, timer_irq_works).
			"no_timer_check",
		},
	},
}

// lookupArch returns the row of name, in uname -m's spelling.
func lookupArch(name string) (arch, error) {
	a, ok := archs[name]
	if !ok {
		known := slices.Sorted(maps.Keys(archs))
		return arch{}, fmt.Errorf("no machine for architecture %q: known are %s", name, strings.Join(known, ", "))
	}
	return a, nil
}
