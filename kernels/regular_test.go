package kernels

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadRegularWaitsForNobody gives what blocks, never ends or leads out in the place of a file.
func TestReadRegularWaitsForNobody(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.WriteFile(path("file"), []byte("text"), 0o644), os.Symlink("file", path("link")), os.Symlink("/dev/zero", path("zero")),
		os.Symlink("/etc/passwd", path("out")), os.Mkdir(path("folder"), 0o755), syscall.Mkfifo(path("fifo"), 0o644),
		os.WriteFile(path("big"), nil, 0o644), os.Truncate(path("big"), 1<<40),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"file": "", "link": "", // the control
		"zero": "escapes", "out": "escapes", "folder": "no regular file", "fifo": "no regular file", "big": "larger than 1 KiB", "absent": "no such file",
	} {
		began := time.Now()
		data, err := ReadFileIn(dir, name, 1<<10)
		switch {
		case want == "" && (err != nil || string(data) != "text"):
			t.Errorf("%s: %q, %v", name, data, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %v, want %s", name, err, want)
		case time.Since(began) > 10*time.Second:
			t.Errorf("%s took %v", name, time.Since(began))
		}
	}
}
