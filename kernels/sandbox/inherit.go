package sandbox

import (
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Seal keeps the descriptors that this process was started with from every program that it starts: an open folder of the
// caller would be a way around any sandbox. It is to be called first in main.
func Seal() error {
	const first = 3 // after standard input, output and error
	if unix.CloseRange(first, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd") // Linux before 5.11
	if err != nil {
		return fmt.Errorf("list open files: %w", err)
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// leaveKeyring gives the calling thread, and what it starts, a session keyring of its own, so that nothing in it has the keys of
// the user's session. The thread must be locked. A kernel without keys has none to give.
func leaveKeyring() { _, _ = unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) }
