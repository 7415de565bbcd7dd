package kbuild

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTakeCalls: a build can write whatever it likes to where its calls are noted.
func TestTakeCalls(t *testing.T) {
	write := func(text string) func(string) error {
		return func(file string) error { return os.WriteFile(file, []byte(text), 0o644) }
	}
	for name, test := range map[string]struct {
		make func(file string) error
		want string
	}{
		"none":      {func(string) error { return nil }, "[]"},
		"two":       {write("0\x00/build\x00A=b c\x00\x002\x00/build/sub/\x00\x00"), "[{0 /build [A=b c]} {2 /build/sub []}]"},
		"broken":    {write("0\x00/build\x00\x000\x00/build\x00A=b"), "[{0 /build []}]"},
		"nonsense":  {write("x\x00y\x00z\x00\x00\x00\x00\x00"), "[]"},
		"way out":   {write("0\x00/build/../etc\x00\x00"), "[{0 /etc []}]"},
		"too large": {write(strings.Repeat("0\x00/build\x00\x00", maxCalls/9+1)), "[]"},
		"a link":    {func(file string) error { return os.Symlink("/etc/passwd", file) }, "[]"},
		"a folder":  {func(file string) error { return os.MkdirAll(filepath.Join(file, "x"), 0o755) }, "[]"},
		"a FIFO":    {func(file string) error { return unix.Mkfifo(file, 0o644) }, "[]"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, callsFile)
		if err := test.make(file); err != nil {
			t.Fatal(err)
		}
		calls, err := takeCalls(dir)
		if fmt.Sprint(calls) != test.want || err != nil {
			t.Errorf("%s: %v, %v", name, calls, err)
		}
		if _, err := os.Lstat(file); err == nil {
			t.Errorf("%s: it is still there", name)
		}
	}
}
