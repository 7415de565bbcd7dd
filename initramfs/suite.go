package initramfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// CompileError says that a suite's own source does not compile. Error gives its first line, Output all that go said.
type CompileError struct {
	Output string
}

// goError is a compiler's line: file, line, perhaps column, message.
var goError = regexp.MustCompile(`(?m)^\S+\.go:\d+(:\d+)?: .+$`)

func (e *CompileError) Error() string {
	if line := goError.FindString(e.Output); line != "" {
		return strings.TrimPrefix(line, "./")
	}
	for line := range strings.Lines(e.Output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return "go said nothing"
}

// CompileSuite makes the Ginkgo package in dir into one static test binary at out that runs on every kernel. The
// package is resolved by its own module. A *CompileError means that the suite is at fault.
func CompileSuite(ctx context.Context, dir, out string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("compile suite: no go command on PATH: install Go 1.26 or later")
	}
	abs, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-ldflags=-s -w", "-o", abs, ".")
	cmd.Dir = dir
	// Without cgo the binary needs no C library in the guest.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &CompileError{text.String()}
	case err != nil:
		return fmt.Errorf("compile suite: %w", err)
	}
	if _, err := os.Stat(abs); err != nil {
		return &CompileError{"the folder has no test to compile: " + strings.TrimSpace(text.String())}
	}
	return nil
}
