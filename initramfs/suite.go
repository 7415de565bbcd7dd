package initramfs

import (
	"context"
	"crypto/sha256"
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

// suiteFiles has go list print every file of a test binary, a folder a line; go's version covers the standard library.
const suiteFiles = `{{if not .Standard}}{{.Dir}}{{range .GoFiles}}	{{.}}{{end}}{{range .SFiles}}	{{.}}{{end}}{{range .HFiles}}	{{.}}{{end}}` +
	`{{range .EmbedFiles}}	{{.}}{{end}}{{range .TestGoFiles}}	{{.}}{{end}}{{range .XTestGoFiles}}	{{.}}{{end}}` +
	`{{range .TestEmbedFiles}}	{{.}}{{end}}{{range .XTestEmbedFiles}}	{{.}}{{end}}{{end}}`

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

// Digest is "sha256:…" over everything that Compile makes the package in dir from, at a fraction of its cost. An error
// only says that there is no digest.
func (s Suites) Digest(ctx context.Context, dir string) (string, error) {
	work, err := os.MkdirTemp("", "modmatrix-suite-*")
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	defer os.RemoveAll(work)
	toList := []string{"sh", "-c", `exec "$@" >` + suiteList, "sh"}
	tools, err := s.run(ctx, dir, work, toList, "list", "-buildvcs=false", "-deps", "-test", "-f", suiteFiles, ".")
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	list, err := os.ReadFile(filepath.Join(work, suiteList))
	if err != nil {
		return "", fmt.Errorf("digest suite: %w", err)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "suite 3 %s %s\n", tools.GOVERSION, strings.Join(guestEnv(s.of()), " "))
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

// Compile compiles the Ginkgo package in dir to a static test binary, out, that runs on every kernel. The package's
// imports are resolved by its own module. A *CompileError means that the suite is at fault.
func (s Suites) Compile(ctx context.Context, dir, out string) error {
	work, err := os.MkdirTemp(filepath.Dir(out), ".suite-*")
	if err != nil {
		return fmt.Errorf("compile suite: %w", err)
	}
	defer os.RemoveAll(work)
	_, err = s.run(ctx, dir, work, nil, "test", "-c", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", guestWork+"/"+suiteBinary, ".")
	if err != nil {
		return err
	}
	binary := filepath.Join(work, suiteBinary)
	if _, err := os.Stat(binary); err != nil {
		return &CompileError{"the folder has no test to compile"}
	}
	return os.Rename(binary, out)
}
