package initramfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/results/arch"
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

// guestEnv makes static binaries for every guest of a; an emulated processor may lack what a newer one has.
func guestEnv(a arch.Arch) []string {
	env := []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + a.Go}
	if a.GoEnv != "" {
		env = append(env, a.GoEnv)
	}
	return env
}

// Suites compiles suites. Nothing that a folder brings acts on this machine: go runs in the sandbox that modules are built in,
// without network, and has the module's own folders, the toolchain and Go's module cache to read.
type Suites struct {
	Arch    arch.Arch // of the guests; the zero value is this machine's
	Cache   string    // a folder for what go compiled, of each repository separately; made at need
	Offline bool      // dependencies that are not in Go's module cache are missing, instead of downloaded
}

// of is the architecture that s is for.
func (s Suites) of() arch.Arch {
	if s.Arch.Name == "" {
		return arch.Host()
	}
	return s.Arch
}

// suiteList and suiteBinary are files in the folder that go may write to.
const (
	suiteList   = "list"
	suiteBinary = "suite.test"
)

// Compile compiles the Ginkgo package in dir to a static test binary, out, that runs on every kernel. The package's
// imports are resolved by its own module. A *CompileError means that the suite is at fault.
func (s Suites) Compile(ctx context.Context, dir, out string) error {
	work, err := os.MkdirTemp(filepath.Dir(out), ".suite-*")
	if err != nil {
		return fmt.Errorf("compile suite: %w", err)
	}
	defer os.RemoveAll(work)
	g, err := s.findGo(ctx, dir)
	if err != nil {
		return err
	}
	err = g.run(ctx, work, nil, "test", "-c", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", guestWork+"/"+suiteBinary, ".")
	if err != nil {
		return err
	}
	binary := filepath.Join(work, suiteBinary)
	if _, err := os.Stat(binary); err != nil {
		return &CompileError{"the folder has no test to compile"}
	}
	return os.Rename(binary, out)
}
