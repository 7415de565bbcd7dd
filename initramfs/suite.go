package initramfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// CompileError says that a suite's own source does not compile. Error is its first line, Output all that go printed.
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
	return "go printed nothing"
}

// suiteEnv makes static test binaries for every guest; an emulated processor may lack what a newer one has.
var suiteEnv = []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1"}

// suiteFiles has go list print every file of a test binary, a folder a line; go's version covers the standard library.
const suiteFiles = `{{if not .Standard}}{{.Dir}}{{range .GoFiles}}	{{.}}{{end}}{{range .SFiles}}	{{.}}{{end}}{{range .HFiles}}	{{.}}{{end}}` +
	`{{range .EmbedFiles}}	{{.}}{{end}}{{range .TestGoFiles}}	{{.}}{{end}}{{range .XTestGoFiles}}	{{.}}{{end}}` +
	`{{range .TestEmbedFiles}}	{{.}}{{end}}{{range .XTestEmbedFiles}}	{{.}}{{end}}{{end}}`

// SuiteDigest is "sha256:…" over everything that CompileSuite makes the package in dir from, at a fraction of its cost. An error
// only says that there is no digest.
func SuiteDigest(ctx context.Context, dir string) (string, error) {
	sum := sha256.New()
	env, err := runGo(ctx, dir, suiteEnv, "env", "GOVERSION", "GOFLAGS", "GOAMD64", "GOEXPERIMENT")
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	list, err := runGo(ctx, dir, suiteEnv, "list", "-buildvcs=false", "-deps", "-test", "-f", suiteFiles, ".")
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	sum.Write(env)
	for line := range strings.Lines(string(list)) {
		names := strings.Split(strings.TrimRight(line, "\n"), "\t")
		for _, name := range names[1:] {
			if filepath.IsAbs(name) {
				continue // the generated main
			}
			if err := hashFile(sum, names[0], name); err != nil {
				return "", fmt.Errorf("digest suite: %w", err)
			}
		}
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil)), nil
}

// CompileSuite compiles the Ginkgo package in dir to a static test binary, out, that runs on every kernel. The package's
// imports are resolved by its own module. A *CompileError means that the suite is at fault.
func CompileSuite(ctx context.Context, dir, out string) error {
	abs, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", abs, ".")
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
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("compile suite: %w", errNoGo)
	case err != nil:
		return fmt.Errorf("compile suite: %w", err)
	}
	if _, err := os.Stat(abs); err != nil {
		return &CompileError{"the folder has no test to compile: " + strings.TrimSpace(text.String())}
	}
	return nil
}
