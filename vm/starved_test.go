package vm

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The longest wait of QEMU's threads counts, as that of a processor is not made shorter by a thread that has nothing to do.
func TestStarved(t *testing.T) {
	dir := t.TempDir()
	for tid, text := range map[string]string{"7": "12345 2000000000 31\n", "8": "99 5000000000 4\n", "9": "not counted here\n"} {
		if err := os.MkdirAll(filepath.Join(dir, tid), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, tid, "schedstat"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := starved(dir); got != 5*time.Second {
		t.Errorf("%v, want 5s", got)
	}
	if got := starved(filepath.Join(dir, "none")); got != 0 {
		t.Errorf("%v of a process that is gone", got)
	}
}
