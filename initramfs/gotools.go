package initramfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// NoGoError says that there is no Go here that compiles what guests run.
type NoGoError struct{ Why string }

func (e *NoGoError) Error() string { return e.Why + ": install Go 1.26 or later" }

// minGo is the oldest that does: as go.mod says.
const minGo = "go1.26.0"

// runGo runs the go command in dir with env beside the process's own environment, and returns what it prints.
func runGo(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, &NoGoError{"no go command on PATH"}
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		line, _, _ := bytes.Cut(bytes.TrimSpace(exit.Stderr), []byte("\n"))
		return nil, fmt.Errorf("go %s: %s", args[0], line)
	}
	return out, err
}

// goTools says where this user's go has what compiling takes.
type goTools struct{ GOROOT, GOVERSION, GOMODCACHE, GOCACHE, GOVCS string }

// askGo asks the go that builds the module in dir; in "/", which is nobody's module, this user's own. It is asked once, until something
// that it goes by changes.
func askGo(ctx context.Context, dir string) (goTools, error) {
	key, ok := goGoesBy(dir)
	if known, hit := answers.Load(key); ok && hit {
		return known.(goTools), nil
	}
	tools, err := askGoAnew(ctx, dir)
	if err == nil && ok {
		answers.Store(key, tools)
	}
	return tools, err
}

// answers are goTools, by what go goes by: starting it takes 20 ms, and a run asks for each suite and architecture.
var answers sync.Map

// goGoesBy is what the answer of go env depends on: the program, the environment, the user's settings (go help environment), and the
// toolchain that the module in dir asks for. ok is false where that cannot be found out.
func goGoesBy(dir string) (key string, ok bool) {
	program, err := exec.LookPath("go")
	if err != nil {
		return "", false
	}
	settings := os.Getenv("GOENV")
	if config, err := os.UserConfigDir(); settings == "" && err == nil {
		settings = filepath.Join(config, "go/env")
	}
	key = fmt.Sprintf("%q %q", dir, os.Environ())
	for _, path := range []string{program, settings, filepath.Join(dir, "go.mod")} {
		if info, err := os.Stat(path); err == nil {
			key += fmt.Sprintf(" %q %d %v", path, info.Size(), info.ModTime())
		}
	}
	return key, true
}

// askGoAnew asks go itself.
func askGoAnew(ctx context.Context, dir string) (tools goTools, err error) {
	out, err := runGo(ctx, dir, []string{"GOROOT=", "GOWORK=off"}, "env", "-json", "GOROOT", "GOVERSION", "GOMODCACHE", "GOCACHE", "GOVCS")
	if err == nil {
		err = json.Unmarshal(out, &tools)
	}
	var none *NoGoError
	switch {
	case errors.As(err, &none):
	case err != nil:
		err = fmt.Errorf("ask go for its version: %w", err)
	case version.IsValid(tools.GOVERSION) && version.Compare(tools.GOVERSION, minGo) < 0:
		err = &NoGoError{"the go command on PATH is " + tools.GOVERSION}
	}
	return tools, err
}

// GoVersion returns the version of the go command that images and suites are compiled with.
func GoVersion(ctx context.Context) (string, error) {
	tools, err := askGo(ctx, "/")
	return tools.GOVERSION, err
}
