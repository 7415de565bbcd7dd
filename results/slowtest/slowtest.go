// Package slowtest keeps go test ./... short: it leaves the tests that take long to make unit, and the files of the others in memory.
// It is for tests alone.
package slowtest

import (
	"os"
	"syscall"
	"testing"
)

// Env names the environment variable with which slow tests run.
const Env = "MODMATRIX_SLOW"

// Skip is called by a test that takes seconds for what it proves.
func Skip(t testing.TB) {
	t.Helper()
	if os.Getenv(Env) == "" {
		t.Skip("slow: run by make unit, or with " + Env + "=1")
	}
}

// OnMemory puts the temporary folders of a TestMain's tests where nothing waits for a disk, if there is a GiB of room and TMPDIR is
// not set. It is not for tests that build in the sandbox, whose /dev is its own, nor for those of real kernels, which link to files of
// the store.
func OnMemory() {
	const dir = "/dev/shm"
	var st syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && os.Getenv("MODMATRIX_REAL") == "" && syscall.Statfs(dir, &st) == nil && st.Bavail*uint64(st.Bsize) > 1<<30 {
		os.Setenv("TMPDIR", dir)
	}
}
