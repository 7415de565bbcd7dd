package guest

import (
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel gets, without a word of the plan's, to finish what a suite or unloading began: timers, work that was
// delayed, callbacks that wait for readers. After unloading it is longer, for then it is the module's code that is
// gone: what comes late runs into nothing, and the guest must still be there to see it.
const (
	settleTest   = 10 * time.Millisecond
	settleUnload = 50 * time.Millisecond
)

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL (include/uapi/linux/membarrier.h).
const membarrierGlobal = 1

// settle gives the kernel its time, counted from began: what was done meanwhile need not be waited for again. All
// processors pass through a quiet state first, so callbacks that were due before are being run by the end of it
// (kernel/sched/membarrier.c; with one processor it returns at once). Unloading has waited for readers by itself
// (kernel/module/main.c, free_module).
func (g *guest) settle(began time.Time, usual time.Duration) {
	if g.plan.SettleMS > 0 {
		usual = time.Duration(g.plan.SettleMS) * time.Millisecond
	}
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0) // where the kernel has it
	time.Sleep(usual - time.Since(began))
}
