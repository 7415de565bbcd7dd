package vm

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"runtime"
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

func lookQEMU(a arch) (string, error) {
	path, err := exec.LookPath(a.binary)
	if err != nil {
		return "", fmt.Errorf("%w: no %s on PATH, install the package %s", ErrNoQEMU, a.binary, a.pkg)
	}
	return path, nil
}

// HostArch is this host's architecture in uname -m's spelling.
func HostArch() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

var versionLine = regexp.MustCompile(`QEMU emulator version (\d+\.\d+\.\d+)`)

// QEMUVersion asks the emulator for arch for its version, e.g. "7.2.22". The error wraps ErrNoQEMU where there is none.
func QEMUVersion(ctx context.Context, arch string) (string, error) {
	a, err := lookupArch(arch)
	if err != nil {
		return "", err
	}
	path, err := lookQEMU(a)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("run %s --version: %w", a.binary, err)
	}
	match := versionLine.FindSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("read %s --version: no version in %q", a.binary, out)
	}
	return string(match[1]), nil
}
