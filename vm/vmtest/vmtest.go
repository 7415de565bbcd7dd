// Package vmtest is a fake QEMU. It takes the same arguments, speaks QMP, and plays a guest from a script, so that everything
// above vm can be tested in milliseconds, and against guests that no kernel would be.
//
// A test package calls Main or MainWith from its TestMain, and Install with a script where it wants a guest. With Main, the fake
// is the test binary itself, run again under QEMU's name; with MainWith, it is a small program, for tests that start hundreds:
// a test binary that links much takes 20 ms of processor time to start, and 80 with the race detector. A testscript gets the fake
// with Build, in a folder on its PATH, and ScriptEnv naming the file of the script. README.md has the statements of a script.
//
// The package must never know how package vm uses it, and does not import it.
package vmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/modmatrix/modmatrix/results/arch"
)

// ScriptEnv names the environment variable with the path of the script to play.
const ScriptEnv = "FAKE_QEMU_SCRIPT"

// LogEnv names the environment variable with the path of a file to which the fake adds the commands about devices that its monitor gets.
const LogEnv = "FAKE_QEMU_LOG"

// Version is what the fake says it is.
const Version = "7.2.22"

// Main is the body of a TestMain: it plays QEMU when it was called by QEMU's name, else runs the tests. It does not return.
func Main(m *testing.M) {
	if isQEMU(os.Args[0]) {
		Command()
	}
	os.Exit(m.Run())
}

// MainWith is Main for tests whose QEMU is the program in the folder dir, a main package that calls Command. It is compiled once,
// without the race detector, when the first test installs it.
func MainWith(m *testing.M, dir string) {
	made.build = build(dir)
	code := m.Run()
	if made.dir != "" {
		os.RemoveAll(made.dir)
	}
	os.Exit(code)
}

// Build compiles the fake in the folder dir, see MainWith, to the file out.
func Build(dir, out string) error { return compile(build(dir), out) }

// build is the command that compiles the fake in dir, with the environment of now: tests change it.
func build(dir string) *exec.Cmd {
	where, err := filepath.Abs(dir)
	if err != nil {
		panic(err)
	}
	cmd := exec.Command("go", "build", "-C", where, ".")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	return cmd
}

func compile(build *exec.Cmd, out string) error {
	build.Args = slices.Insert(build.Args, 4, "-o", out)
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the fake QEMU: %w\n%s", err, text)
	}
	return nil
}

// made is the program of MainWith, as far as it is compiled.
var made struct {
	sync.Once
	build *exec.Cmd // nil: the fake is the test binary
	dir   string
	err   error
}

// executable is the file of the fake.
func executable() (string, error) {
	if made.build == nil {
		return os.Executable()
	}
	path := func() string { return filepath.Join(made.dir, "qemu") }
	made.Do(func() {
		if made.dir, made.err = os.MkdirTemp("", "vmtest"); made.err != nil {
			return
		}
		made.err = compile(made.build, path())
	})
	return path(), made.err
}

func isQEMU(name string) bool { return strings.HasPrefix(filepath.Base(name), "qemu-system-") }

// Install puts the fake on PATH for the rest of the test, with script to play. The test cannot run in parallel.
func Install(t testing.TB, script string) {
	t.Helper()
	if _, err := parse(script); err != nil {
		t.Fatal(err)
	}
	binary, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, a := range arch.All() { // the names under which the fake is found
		if err := os.Symlink(binary, filepath.Join(dir, a.QEMU.Binary)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "script")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(ScriptEnv, path)
	t.Setenv("MODMATRIX_QEMU_USER", "0") // this binary and the script lie where only we may read
	// A binary with the race detector sleeps a second before it ends.
	t.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// functions are the guests written in Go.
var functions = map[string]func(g *Guest, args ...string){}

// Register gives a name to a function that plays a guest, for the script's call statement. It is to be called before
// Main, in an init function or TestMain, or before Command: the fake is another process.
func Register(name string, f func(g *Guest, args ...string)) { functions[name] = f }
