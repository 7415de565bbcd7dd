package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/results/arch"
)

// lookupArch returns the row of name, in uname -m's spelling.
func lookupArch(name string) (arch.Arch, error) {
	a, ok := arch.OfMachine(name)
	if !ok {
		return a, fmt.Errorf("no machine for architecture %q: known are %s", name, strings.Join(arch.Names(), ", "))
	}
	return a, nil
}

// qemu is the machine that plays m, the zero one where m is not valid.
func (m *Machine) qemu() arch.QEMU {
	a, _ := arch.OfMachine(m.Arch)
	return a.QEMU
}

func lookQEMU(q arch.QEMU) (string, error) {
	path, err := exec.LookPath(q.Binary)
	if err != nil {
		return "", fmt.Errorf("%w: no %s on PATH, install the package %s", ErrNoQEMU, q.Binary, q.Package)
	}
	return path, nil
}

// HostArch is this host's architecture in uname -m's spelling.
func HostArch() string {
	return arch.Host().Name
}

var versionLine = regexp.MustCompile(`QEMU emulator version (\d+\.\d+\.\d+)`)

// QEMUVersion asks the emulator for machine, as uname -m says it, for its version, e.g. "7.2.22". The error wraps ErrNoQEMU where there is none.
func QEMUVersion(ctx context.Context, machine string) (string, error) {
	a, err := lookupArch(machine)
	if err != nil {
		return "", err
	}
	path, err := lookQEMU(a.QEMU)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", path, err)
	}
	known := versionOf{path, info.Size(), info.ModTime()}
	if v, ok := versions.Load(known); ok {
		return v.(string), nil
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("run %s --version: %w", a.QEMU.Binary, err)
	}
	match := versionLine.FindSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("read %s --version: no version in %q", a.QEMU.Binary, out)
	}
	versions.Store(known, string(match[1]))
	return string(match[1]), nil
}

// versions are the answers of emulators, by versionOf: to start one takes 50 ms, and a run asks each several times.
var versions sync.Map

type versionOf struct {
	path string
	size int64
	at   time.Time
}
