package harness

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFreeMiB(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(path, []byte("MemTotal: 2048 kB\nMemAvailable:    1048576 kB\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, ok := freeMiB(path); n != 1024 || !ok {
		t.Errorf("got %d, %v", n, ok)
	}
	if _, ok := freeMiB("/nonexistent"); ok {
		t.Error("a file that is not there said something")
	}
}

func TestJobs(t *testing.T) {
	if n := jobs(Spec{Jobs: 1}); n != 1 {
		t.Errorf("one job was asked for, got %d", n)
	}
	if n := jobs(Spec{Jobs: 1000, MemoryMiB: 1 << 20}); n != 1 {
		t.Errorf("guests of a TiB each: %d at once", n)
	}
}
