package initramfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

var errNoGo = errors.New("no go command on PATH, which guest images and suites are compiled with: install Go 1.26 or later")

// runGo runs the go command in dir with env beside the process's own environment, and returns what it prints.
func runGo(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errNoGo
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		line, _, _ := bytes.Cut(bytes.TrimSpace(exit.Stderr), []byte("\n"))
		return nil, fmt.Errorf("go %s: %s", args[0], line)
	}
	return out, err
}

// GoVersion returns the version of the go command that images and suites are compiled with.
func GoVersion(ctx context.Context) (string, error) {
	_, version, err := toolchain(ctx, "")
	return version, err
}

// toolchain asks go for its folder, and for the version that builds the module in source.
func toolchain(ctx context.Context, source string) (root, version string, err error) {
	out, err := runGo(ctx, source, []string{"GOROOT=", "GOWORK=off"}, "env", "-json", "GOROOT", "GOVERSION")
	var env struct{ GOROOT, GOVERSION string }
	if err == nil {
		err = json.Unmarshal(out, &env)
	}
	if err != nil {
		return "", "", fmt.Errorf("ask go for its version: %w", err)
	}
	return env.GOROOT, env.GOVERSION, nil
}
