package suites

import (
	"testing"
)

func TestIsFault(t *testing.T) {
	for _, line := range []string{
		"BUG: kernel NULL pointer dereference, address: 0000000000000008",
		"BUG: KASAN: slab-out-of-bounds in fifo_read+0x1/0x2 [fifo]",
		"BUG kmalloc-64 (Tainted: G OE): Right Redzone overwritten",
		"WARNING: CPU: 0 PID: 95 at /build/warn.c:3 w_exit+0x0/0x1000 [warn]",
		"WARNING: /build/warn.c:3 at w_exit+0x0/0x1000 [warn], CPU#1: insmod/95",
		"WARNING: possible circular locking dependency detected",
		"rcu: INFO: rcu_preempt self-detected stall on CPU",
		"INFO: task insmod:95 blocked for more than 120 seconds.",
		"refcount_t: underflow; use-after-free.",
		"Oops: 0002 [#1] PREEMPT SMP NOPTI",
		"Oops: Oops: 0002 [#1] SMP NOPTI",
		"Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP NOPTI",
		"Internal error: Oops: 0000000096000004 [#1] SMP",
		"invalid opcode: 0000 [#1] SMP PTI",
		"Oops: divide error: 0000 [#1] SMP NOPTI",
		"sysfs: cannot create duplicate filename '/class/fifo'",
		"ODEBUG: free active (active state 0) object: 0000 object type: timer_list",
	} {
		if !isFault(line) {
			t.Errorf("no fault: %s", line)
		}
	}
	for _, line := range []string{
		"fifo: loading out-of-tree module taints kernel.",
		"DEBUG: nothing to see",
		"WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible via Spectre v2 BHB attacks!",
		"traps: a.out[99] general protection fault ip:401136 sp:7ffe error:0 in a.out[401000+1000]",
		"INFO: lockdep is turned off.",
		"INFO: task scheduled",
		"harmless_words: Oops: just kidding",
		"harmless_words: general protection is on, invalid opcodes: 0, KASAN: off",
	} {
		if isFault(line) {
			t.Errorf("a fault: %s", line)
		}
	}
}

func FuzzIsFault(f *testing.F) {
	f.Add("BUG: x")
	f.Add("INFO: task \xff blocked ")
	f.Fuzz(func(t *testing.T, line string) {
		// What stands before a fault does not hide it, unless it makes the first word a part of another.
		if isFault(line) && !isFault("[    1.0] "+line) {
			t.Errorf("%q is one only at the start of a line", line)
		}
	})
}
