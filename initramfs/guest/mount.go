package guest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// mounts are a guest's file systems. No module is judged without the essential ones; the others are for suites.
var mounts = []struct {
	kind, dir string
	essential bool
}{
	{"proc", "/proc", true},
	{"sysfs", "/sys", true},
	{"devtmpfs", "/dev", true},
	{"tmpfs", "/tmp", false}, // else the folder in the initramfs serves
	{"tmpfs", "/run", false},
	{"devpts", "/dev/pts", false},
	{"debugfs", "/sys/kernel/debug", false},
	{"tracefs", "/sys/kernel/tracing", false},
	{"configfs", "/sys/kernel/config", false},
	{"cgroup2", "/sys/fs/cgroup", false},
}

// mountAll mounts them, and returns the errors of the essential ones.
func mountAll() (trouble []string) {
	for _, m := range mounts {
		_ = os.Mkdir(m.dir, 0o755) // where it cannot be made, mounting fails
		err := unix.Mount(m.kind, m.dir, m.kind, 0, "")
		if err != nil && err != unix.EBUSY && m.essential {
			trouble = append(trouble, fmt.Sprintf("mount %s on %s: %v", m.kind, m.dir, err))
		}
	}
	_ = os.Chmod("/tmp", 0o1777)
	_ = os.Symlink("/proc/self/fd", "/dev/fd")
	_ = os.Mkdir("/lib", 0o755) // unless it is there
	_ = os.Symlink(wire.FirmwareDir, "/lib/firmware")
	return trouble
}
