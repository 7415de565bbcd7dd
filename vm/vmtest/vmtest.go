// Package vmtest is a fake QEMU: the test binary itself, run again under QEMU's name. It takes the same arguments, speaks
// QMP, and plays a guest from a script, so that everything above vm can be tested in milliseconds, and against guests that
// no kernel would be.
//
// A test package calls Main from its TestMain, and Install with a script where it wants a guest. A testscript gets it
// with Command among its commands and ScriptEnv naming the file of the script. README.md has the statements of a script.
//
// The package must never know how package vm uses it, and does not import it.
package vmtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ScriptEnv names the environment variable with the path of the script to play.
const ScriptEnv = "FAKE_QEMU_SCRIPT"

// LogEnv names the environment variable with the path of a file to which the fake adds what its monitor is told of devices.
const LogEnv = "FAKE_QEMU_LOG"

// Version is what the fake says it is.
const Version = "7.2.22"

// binaries are the names under which a test binary becomes QEMU.
var binaries = []string{"qemu-system-x86_64"}

// Main is the body of a TestMain: it plays QEMU when it was called by QEMU's name, else runs the tests. It does not return.
func Main(m *testing.M) {
	if isQEMU(os.Args[0]) {
		Command()
	}
	os.Exit(m.Run())
}

func isQEMU(name string) bool { return strings.HasPrefix(filepath.Base(name), "qemu-system-") }

// Install puts the fake on PATH for the rest of the test, with script to play. The test cannot run in parallel.
func Install(t testing.TB, script string) {
	t.Helper()
	if _, err := parse(script); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range binaries {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
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
// Main, in an init function or TestMain: the fake is another process.
func Register(name string, f func(g *Guest, args ...string)) { functions[name] = f }
