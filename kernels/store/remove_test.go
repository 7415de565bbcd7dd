package store

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"golang.org/x/sys/unix"
)

// TestRemoveTreeOfAnyDepth removes a folder deeper than a path is long and than there are descriptors, which a Makefile can make.
func TestRemoveTreeOfAnyDepth(t *testing.T) {
	slowtest.Skip(t)
	const depth = 4_200
	dir := filepath.Join(t.TempDir(), "deep")
	make := func() {
		t.Helper()
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		at, err := unix.Open(dir, unix.O_DIRECTORY, 0)
		for range depth {
			if err == nil {
				err = unix.Mkdirat(at, "d", 0o755)
			}
			below := -1
			if err == nil {
				below, err = unix.Openat(at, "d", unix.O_DIRECTORY, 0)
			}
			unix.Close(at)
			at = below
		}
		unix.Close(at)
		if err != nil {
			t.Fatal(err)
		}
	}
	make()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 200, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err := os.RemoveAll(dir); err == nil {
		t.Error("the control: with so few descriptors it can be removed at once")
	}
	began := time.Now()
	if err := RemoveTree(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); err == nil || time.Since(began) > 30*time.Second {
		t.Errorf("it is there: %v, after %v", err == nil, time.Since(began))
	}
}
