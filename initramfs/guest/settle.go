package guest

import (
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's default time to finish what a suite or unloading started: timers, delayed work, RCU callbacks. It is longer
// after unloading: what runs late then jumps into freed code, and the guest must still be up to catch that.
const (
	settleTest   = 10 * time.Millisecond
	settleUnload = 50 * time.Millisecond
)

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL (include/uapi/linux/membarrier.h).
const membarrierGlobal = 1

// settle waits until the plan's time, or the default, has passed since began. The barrier lets all processors pass a
// quiescent state first, so that RCU callbacks that were due are run (kernel/sched/membarrier.c; with one processor it
// returns at once). Unloading has its own barrier (kernel/module/main.c, free_module).
func (g *guest) settle(began time.Time, limit time.Duration) {
	if g.plan.SettleMS > 0 {
		limit = time.Duration(g.plan.SettleMS) * time.Millisecond
	}
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0) // where the kernel has it
	time.Sleep(limit - time.Since(began))
}
