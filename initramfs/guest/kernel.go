package guest

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// openKmsg opens the kernel log for markers, and lifts the rate limit on lines from user space (printk_devkmsg,
// Documentation/admin-guide/sysctl/kernel.rst): without a marker, a fault would be that of another spec.
func openKmsg() (int, error) {
	_ = os.WriteFile("/proc/sys/kernel/printk_devkmsg", []byte("on\n"), 0) // refused where the command line sets it
	fd, err := unix.Open("/dev/kmsg", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/kmsg: %w", err)
	}
	return fd, nil
}

// mark writes a boundary into the kernel log.
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

// taint reports the kernel's taint after a stage.
func (g *guest) taint(stage string) {
	text, err := os.ReadFile("/proc/sys/kernel/tainted")
	var bits uint64
	if err == nil {
		bits, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	}
	if err != nil {
		g.fail("read taint: %v", err)
		return
	}
	g.send(wire.Frame{Kind: wire.KindTaint, Stage: stage, Taint: bits})
}
