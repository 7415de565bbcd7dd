package initramfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	if strings.Contains(e.Output, "go.mod file not found") {
		return "its folder is in no Go module: modmatrix init shows a go.mod that resolves what a suite imports"
	}
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

// suiteEnv is what go is told beyond its own environment: without cgo the binary needs no C library in the guest, and
// an emulated processor may lack what a newer one has.
var suiteEnv = []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1"}

// suiteFiles has go list name every file that a test binary is made from, a folder a line; the standard library goes by
// the version of go.
const suiteFiles = `{{if not .Standard}}{{.Dir}}{{range .GoFiles}}	{{.}}{{end}}{{range .SFiles}}	{{.}}{{end}}{{range .HFiles}}	{{.}}{{end}}` +
	`{{range .EmbedFiles}}	{{.}}{{end}}{{range .TestGoFiles}}	{{.}}{{end}}{{range .XTestGoFiles}}	{{.}}{{end}}` +
	`{{range .TestEmbedFiles}}	{{.}}{{end}}{{range .XTestEmbedFiles}}	{{.}}{{end}}{{end}}`

// SuiteDigest is "sha256:…" over everything that the test binary of the package in dir is made from: the same digest
// means the same binary. It costs a fraction of compiling. An error says only that there is no digest; CompileSuite
// says why.
func SuiteDigest(ctx context.Context, dir string) (string, error) {
	sum := sha256.New()
	env, err := goIn(ctx, dir, "env", "GOVERSION", "GOFLAGS", "GOAMD64", "GOEXPERIMENT")
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	list, err := goIn(ctx, dir, "list", "-deps", "-test", "-f", suiteFiles, ".")
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	sum.Write(env)
	for line := range strings.Lines(string(list)) {
		names := strings.Split(strings.TrimRight(line, "\n"), "\t")
		for _, name := range names[1:] {
			if filepath.IsAbs(name) {
				continue // the generated main, which follows from the others
			}
			data, err := os.ReadFile(filepath.Join(names[0], name))
			if err != nil {
				return "", fmt.Errorf("digest suite: %w", err)
			}
			fmt.Fprintf(sum, "%s %d\n", name, len(data))
			sum.Write(data)
		}
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

func goIn(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), suiteEnv...)
	return cmd.Output()
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
	cmd.Env = append(os.Environ(), suiteEnv...)
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
