package guest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mounts are the file systems of a guest. Without the essential ones nothing can be said about a module; the others are
// there for suites, where the kernel has them.
var mounts = []struct {
	kind, dir string
	essential bool
}{
	{"proc", "/proc", true},
	{"sysfs", "/sys", true},
	{"devtmpfs", "/dev", true},
	{"tmpfs", "/tmp", false}, // without it, the folder in the initramfs does as well
	{"tmpfs", "/run", false},
	{"devpts", "/dev/pts", false},
	{"debugfs", "/sys/kernel/debug", false},
	{"tracefs", "/sys/kernel/tracing", false},
	{"configfs", "/sys/kernel/config", false},
	{"cgroup2", "/sys/fs/cgroup", false},
}

// mountAll mounts them, and tells of each essential one that it could not.
func mountAll() (trouble []string) {
	for _, m := range mounts {
		_ = os.Mkdir(m.dir, 0o755) // where it is missing and cannot be made, mounting says why
		err := unix.Mount(m.kind, m.dir, m.kind, 0, "")
		if err != nil && err != unix.EBUSY && m.essential {
			trouble = append(trouble, fmt.Sprintf("mount %s on %s: %v", m.kind, m.dir, err))
		}
	}
	_ = os.Chmod("/tmp", 0o1777)
	_ = os.Symlink("/proc/self/fd", "/dev/fd")
	return trouble
}

// mountLate mounts what only the modules of a plan brought: configfs is one on Debian's kernels, and what is simulated,
// such as the chips of gpio-sim, is made there. Where it is mounted already, this does nothing.
func mountLate() {
	_ = unix.Mount("configfs", "/sys/kernel/config", "configfs", 0, "")
}
