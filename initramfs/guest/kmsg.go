package guest

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// openKmsg opens the kernel log for markers, and lifts the limit that the kernel puts on lines from user space
// (Documentation/admin-guide/sysctl/kernel.rst, printk_devkmsg): a marker that is dropped moves a fault to another spec.
func openKmsg() (int, error) {
	_ = os.WriteFile("/proc/sys/kernel/printk_devkmsg", []byte("on\n"), 0) // set on the command line, it is fixed already
	fd, err := unix.Open("/dev/kmsg", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/kmsg: %w", err)
	}
	return fd, nil
}

// mark draws a boundary in the kernel log.
func (g *guest) mark(m wire.Mark) {
	if name := g.suite.Load(); name != nil {
		m.Suite = *name
	}
	if g.plan.Nonce != "" {
		g.log(wire.Marker(g.plan.Nonce, m))
	}
}

// log writes a line into the kernel log, as a notice of user space (facility 1, level 5).
func (g *guest) log(line string) {
	if g.kmsg >= 0 {
		_, _ = unix.Write(g.kmsg, []byte("<13>"+line+"\n"))
	}
}
