package guest

import (
	"os"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

// taint tells the kernel's taint as it is after a stage.
func (g *guest) taint(stage string) {
	text, err := os.ReadFile("/proc/sys/kernel/tainted")
	if err != nil {
		g.fail("read taint: %v", err)
		return
	}
	bits, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		g.fail("read taint: %v", err)
		return
	}
	g.send(wire.Frame{Kind: wire.KindTaint, Stage: stage, Taint: bits})
}
