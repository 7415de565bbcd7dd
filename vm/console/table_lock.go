package console

// lead is the beginning that lockdep's reports share, old ("[ INFO: …") and new ("WARNING: …").
const lead = `(?:WARNING|INFO|BUG): `

// lockTable holds what the lock, context and RCU checkers say (Linux kernel/locking/lockdep.c, kernel/sched/core.c,
// lib/smp_processor_id.c, kernel/locking/spinlock_debug.c).
var lockTable = []signature{
	{literal: "possible circular", pattern: lead + `possible circular lock`, kind: KindLockdep, severity: Fail, title: "possible circular locking dependency"},
	{literal: "possible recursive locking", pattern: lead + `possible recursive locking`, kind: KindLockdep, severity: Fail, title: "possible recursive locking"},
	{literal: "possible irq lock inversion", pattern: lead + `possible irq lock inversion`, kind: KindLockdep, severity: Fail, title: "possible irq lock inversion dependency"},
	{literal: "inconsistent lock state", pattern: lead + `inconsistent lock state|^\[?\s*inconsistent lock state`, kind: KindLockdep, severity: Fail, title: "inconsistent lock state"},
	{literal: "unsafe lock order detected", pattern: lead + `(.*-safe -> .*-unsafe) lock order detected`, kind: KindLockdep, severity: Fail, title: "$1 lock order"},
	{literal: "bad unlock balance", pattern: lead + `bad unlock balance`, kind: KindLockdep, severity: Fail, title: "bad unlock balance"},
	{literal: "bad contention detected", pattern: lead + `bad contention`, kind: KindLockdep, severity: Fail, title: "bad contention"},
	{literal: "held lock freed", pattern: lead + `held lock freed`, kind: KindLockdep, severity: Fail, title: "held lock freed"},
	{literal: "still has locks held", pattern: lead + `.*still has locks held`, kind: KindLockdep, severity: Fail, title: "still has locks held"},
	{literal: "lock held when returning to user", pattern: lead + `lock held when returning`, kind: KindLockdep, severity: Fail, title: "lock held when returning to user space"},
	{literal: "ested lock was not taken", pattern: lead + `[Nn]ested lock was not taken`, kind: KindLockdep, severity: Fail, title: "nested lock was not taken"},
	{literal: "Invalid wait context", pattern: lead + `Invalid wait context`, kind: KindLockdep, severity: Fail, title: "invalid wait context"},
	{literal: "trying to register non-static key", kind: KindLockdep, severity: Fail, title: "trying to register non-static key"},
	{literal: "looking up invalid subclass", kind: KindLockdep, severity: Fail, title: "looking up invalid subclass"},
	{literal: "chain_key collision", kind: KindLockdep, severity: Fail, title: "lock chain_key collision"},
	{literal: "BUG: MAX_LOCK", pattern: `BUG: (MAX_LOCK\w+) too low`, kind: KindLockdep, severity: Warn, title: "BUG: $1 too low", flags: whole},
	{literal: "BUG: MAX_STACK_TRACE_ENTRIES", kind: KindLockdep, severity: Warn, title: "BUG: MAX_STACK_TRACE_ENTRIES too low", flags: whole},
	{literal: "suspicious RCU usage", pattern: `(?:WARNING|INFO|BUG|ERROR): suspicious RCU usage`, kind: KindRCU, severity: Fail, title: "suspicious RCU usage"},

	{literal: "scheduling while atomic", pattern: `BUG: scheduling while atomic`, kind: KindAtomic, severity: Fail, title: "scheduling while atomic"},
	{literal: "called from invalid context", pattern: `BUG: (.*)function called from invalid context`, kind: KindAtomic, severity: Fail, title: "$1 function called from invalid context"},
	{literal: "in preemptible", pattern: `BUG: using (\w+)\(?\)? in preemptible`, kind: KindAtomic, severity: Fail, title: "using $1 in preemptible code"},
	{literal: "scheduling from the idle thread", kind: KindAtomic, severity: Fail, title: "scheduling from the idle thread"},
	{literal: "workqueue leaked", pattern: `BUG: workqueue leaked`, kind: KindAtomic, severity: Fail, title: "workqueue leaked lock or atomic"},
	{literal: "returned with preemption imbalance", pattern: `(initcall|timer|hrtimer|softirq)?.* returned with preemption imbalance`, kind: KindAtomic, severity: Warn, title: "$1 returned with preemption imbalance", flags: single},
	{literal: "preempt_count ", pattern: `huh, entered .*preempt_count .*, exited with`, kind: KindAtomic, severity: Fail, title: "softirq or timer leaked preempt_count", flags: single},
	{literal: "BUG: spinlock", pattern: `BUG: (spinlock [a-z ]+?)(?: on CPU|,|$)`, kind: KindSpinlock, severity: Fail, title: "$1"},
	{literal: "BUG: rwlock", pattern: `BUG: (rwlock[a-z -]+?)(?: on CPU|,|$)`, kind: KindSpinlock, severity: Fail, title: "$1"},
	{literal: "BUG: rwlock", kind: KindSpinlock, severity: Fail, title: "rwlock bug"},
	{literal: "BUG: spinlock", kind: KindSpinlock, severity: Fail, title: "spinlock bug"},
	{literal: "BUG: rtmutex", kind: KindSpinlock, severity: Fail, title: "rtmutex bug"},
}

var hangTable = []signature{
	{literal: "BUG: soft lockup", kind: KindSoftLockup, severity: Fail, title: "soft lockup"},
	{literal: "hard LOCKUP", pattern: `[Ww]atchdog.*hard LOCKUP|hard LOCKUP on cpu`, kind: KindHardLockup, severity: Fail, title: "hard lockup", flags: spread},
	{literal: "detected stall", pattern: `\brcu.*detected stalls? on`, kind: KindStall, severity: Fail, title: "RCU stall", flags: spread},
	{literal: "detected expedited stall", pattern: `\brcu.*detected expedited stall`, kind: KindStall, severity: Fail, title: "RCU stall", flags: spread},
	{literal: " for more than ", pattern: `(?:\btask .*|:\d+) blocked .*for more than \d+ seconds`, kind: KindHungTask, severity: Fail, title: "task hung"},
	{literal: "can't die for more than", kind: KindHungTask, severity: Fail, title: "task can't die"},
	{literal: "BUG: workqueue lockup", kind: KindStall, severity: Fail, title: "workqueue lockup", flags: spread},
	{literal: "non-responsive CSD lock", kind: KindStall, severity: Warn, title: "non-responsive CSD lock", flags: spread},
	{literal: " hogged CPU ", pattern: `workqueue: (\w+)(?: \[\S+\])? hogged CPU`, kind: KindStall, severity: Note, title: "workqueue: $1 hogged CPU", flags: single | whole},
}

// bannerTable holds a report of lockdep that has no row of its own: it still has its frame, a title, then release and taint.
var bannerTable = []signature{
	{literal: "WARNING: ", pattern: `^WARNING: ([A-Za-z][\w ,-]*)`, kind: KindLockdep, severity: Fail, title: "$1", flags: banner},
	{literal: "[ BUG: ", pattern: `^\[ BUG: ([^\]]+?) *\]`, kind: KindLockdep, severity: Fail, title: "$1", flags: banner},
	{literal: "[ INFO: ", pattern: `^\[ INFO: ([^\]]+?) *\]`, kind: KindLockdep, severity: Fail, title: "$1", flags: banner},
}
