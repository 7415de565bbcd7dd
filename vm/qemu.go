package vm

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
)

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
