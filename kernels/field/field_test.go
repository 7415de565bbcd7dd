// Package field has no code of its own: its tests hold modmatrix against what authors of drivers really have, small cases
// in cases/ and whole drivers listed in drivers.json. See the README.
package field

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// quick are the cases that every change is held against: one of each class, on one kernel.
var quick = []string{
	"big-module", "blob-object", "builtin-name", "git-head", "include-top", "one-nodev", "request-own", "sibling-symbols", "tar-packaging",
	"tool-xxd", "twin-modules", "usr-src-prebuild", "wrapper-config",
}

// TestRealField is a dozen of the cases.
func TestRealField(t *testing.T) {
	runCases(t, func(name string) bool { return slices.Contains(quick, name) }, 1)
}

// TestField is all of them, or those that FIELD_ONLY matches.
func TestField(t *testing.T) {
	runCases(t, regexp.MustCompile(os.Getenv("FIELD_ONLY")).MatchString, 99)
}

func runCases(t *testing.T, chosen func(name string) bool, kernels int) {
	needReal(t)
	paths, _ := filepath.Glob("cases/*/expect.json")
	n := 0
	for _, path := range paths {
		name := filepath.Base(filepath.Dir(path))
		if !chosen(name) {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c fieldCase
			readJSON(t, path, &c)
			c.Expect = c.Expect[:min(kernels, len(c.Expect))]
			dir := filepath.Join(t.TempDir(), name)
			prepare(t, filepath.Dir(path), dir)
			c.run(t, dir)
		})
	}
	if n == 0 {
		t.Error("no case has such a name")
	}
}

// prepare copies a case to dir, without its expectation, and runs its setup.sh there.
func prepare(t *testing.T, from, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	setup := filepath.Join(t.TempDir(), "setup.sh")
	if err := os.Remove(filepath.Join(dir, "expect.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "setup.sh"), setup); errors.Is(err, os.ErrNotExist) {
		return // the folder is the case as it is
	} else if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", setup)
	cmd.Dir, cmd.Env = dir, environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("setup.sh: %v\n%s", err, out)
	}
}

func (c *fieldCase) run(t *testing.T, dir string) {
	out := filepath.Join(t.TempDir(), "out")
	args := []string{c.Verb, cmp.Or(c.Module, "."), "-o", out, "--color", "never", "-j", "1", "--no-cache"}
	for _, w := range c.Expect {
		args = append(args, "-k", w.Kernel)
	}
	text, exit := modmatrix(t, dir, append(args, c.Args...)...)
	text = strings.ReplaceAll(strings.ReplaceAll(text, dir+"/", ""), dir, ".")
	var res results.Results
	if _, err := os.Stat(filepath.Join(out, "results.json")); err == nil {
		readJSON(t, filepath.Join(out, "results.json"), &res)
	}
	var short []string
	for _, w := range c.Expect {
		short = append(short, w.differs(&res, exit, text)...)
	}
	short = append(short, lacks("the output", []string{text}, c.SaysHas)...)
	short = append(short, has("the output", text, c.SaysNot)...)
	if len(c.Exit) > 0 && !slices.Contains(c.Exit, exit) {
		short = append(short, fmt.Sprintf("want exit code %v, got %d", c.Exit, exit))
	}
	if len(short) > 0 {
		t.Errorf("%s\n%s\n%s", c.About, strings.Join(short, "\n"), text)
	}
}

func needReal(t *testing.T) {
	t.Helper()
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("builds for real kernels and boots them: set MODMATRIX_REAL=1")
	}
}

// environment is without what the user's own git would add.
func environment() []string {
	return append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C.UTF-8")
}

var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "modmatrix-field-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "modmatrix")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/modmatrix").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build modmatrix: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("MODMATRIX_REAL") != "" {
		if path, err := program(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// modmatrix runs the program in dir and returns all that it printed, and its exit code.
func modmatrix(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Dir, cmd.Env = dir, environment()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run modmatrix: %v\n%s", err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
