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

// goTools says where this user's go has what compiling takes.
type goTools struct{ GOROOT, GOVERSION, GOMODCACHE, GOCACHE, GOVCS string }

// askGo asks the go that builds the module in dir; in "/", which is nobody's module, this user's own.
func askGo(ctx context.Context, dir string) (tools goTools, err error) {
	out, err := runGo(ctx, dir, []string{"GOROOT=", "GOWORK=off"}, "env", "-json", "GOROOT", "GOVERSION", "GOMODCACHE", "GOCACHE", "GOVCS")
	if err == nil {
		err = json.Unmarshal(out, &tools)
	}
	if err != nil {
		err = fmt.Errorf("ask go for its version: %w", err)
	}
	return tools, err
}

// GoVersion returns the version of the go command that images and suites are compiled with.
func GoVersion(ctx context.Context) (string, error) {
	tools, err := askGo(ctx, "/")
	return tools.GOVERSION, err
}
