package judge

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// errnoName gives the name a driver author knows an errno by, e.g. EINVAL.
func errnoName(e syscall.Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return "errno"
}
