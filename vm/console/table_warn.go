package console

// at is how a WARNING names its place, old ("CPU: 0 PID: 1 at lib/x.c:1") and new, since 6.19 ("lib/x.c:1 at").
const at = `WARNING: (?:CPU: \d+ PID: -?\d+ )?(?:at )?`

// warnTable holds WARN_ON in all its forms. Some checkers warn through it: the file shows which, if their own line is lost.
var warnTable = []signature{
	{literal: "WARNING: ", pattern: at + `\S*kernel/locking/lockdep\.c:\d+`, kind: KindLockdep, severity: Fail, title: "WARNING: locking bug"},
	{literal: "WARNING: ", pattern: at + `\S*lib/refcount\.c:\d+`, kind: KindRefcount, severity: Fail, title: "refcount_t"},
	{literal: "WARNING: ", pattern: at + `\S*lib/debugobjects\.c:\d+`, kind: KindODEBUG, severity: Fail, title: "ODEBUG bug"},
	{literal: "WARNING: ", pattern: at + `\S*fs/proc/generic\.c:\d+`, kind: KindDriverCore, severity: Warn, title: "proc_dir_entry"},
	{literal: "WARNING: ", pattern: `WARNING: (?:CPU: \d+ PID: -?\d+ )?at (\S+:\d+|0x\d+)`, kind: KindWarn, severity: Warn, title: "WARNING"},
	{literal: "WARNING: ", pattern: `WARNING: (?:\S+:\d+ at |\[verbose debug info unavailable\])`, kind: KindWarn, severity: Warn, title: "WARNING"},
	{literal: "WARNING: CPU:", pattern: `WARNING: CPU: \d+ PID: -?\d+`, kind: KindWarn, severity: Warn, title: "WARNING"},
	{literal: "WARNING: ", pattern: `WARNING: (kernel stack|can't (?:dereference|access) registers|stack (?:going|recursion)|unrecognized unwind)`, kind: KindWarn, severity: Warn, title: "WARNING: $1"},
	{literal: "Division by zero in kernel", kind: KindWarn, severity: Fail, title: "division by zero"}, // arm, which goes on (Linux arch/arm/kernel/traps.c, __div0)
	{literal: "Badness at ", pattern: `^Badness at (\S+:\d+)`, kind: KindWarn, severity: Warn, title: "WARNING"},
}

var muteTable = []signature{
	{literal: "FAULT_INJECTION: forcing", flags: mute},
	{literal: "invoked oom-killer", flags: mute},
	{literal: "backtrace testing", flags: mute},
	{literal: "sysrq: ", pattern: `sysrq: (SysRq : )?(Show|Changing|HELP|This sysrq)`, flags: mute},
	{literal: "NMI backtrace for cpu", flags: mute},
	{literal: "state:", pattern: `^task:.* state:`, flags: mute},
	{literal: "FAULT_FLAG_ALLOW_RETRY missing", flags: mute},
	{literal: "unchecked MSR access error", flags: mute},
}

// genericTable holds the nets, for whatever looks like a report.
var genericTable = []signature{
	{literal: "BUG: ", pattern: `(?:^|[^A-Za-z_])BUG: (.+)`, kind: KindBug, severity: Fail, title: "BUG: $1"},
	{literal: ": panic", pattern: `^([\w-]+): panic(?::| \(caller\b)`, kind: KindPanic, severity: Fail, title: "$1: panic"}, // of firmware that a driver speaks for
	{literal: "-[ cut here ]-", kind: KindWarn, severity: Warn, title: "cut here", flags: generic},
	{literal: "8<--- cut here ---", kind: KindOops, severity: Fail, title: "cut here", flags: generic},
	{literal: "Call Trace:", kind: KindTrace, severity: Warn, title: "stack trace", flags: tail},
	{literal: "Call trace:", kind: KindTrace, severity: Warn, title: "stack trace", flags: tail},
	{literal: "Backtrace:", kind: KindTrace, severity: Warn, title: "stack trace", flags: tail},
	{literal: "<0>[", pattern: `.+`, kind: KindCrit, severity: Warn, title: "critical: $0", flags: tail | single},
	{literal: "<1>[", pattern: `.+`, kind: KindCrit, severity: Warn, title: "critical: $0", flags: tail | single},
	{literal: "<2>[", pattern: `.+`, kind: KindCrit, severity: Warn, title: "critical: $0", flags: tail | single},
}
