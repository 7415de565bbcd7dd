package console

// faultTable holds traps in kernel mode, BUG() and panics, in the words of x86, arm64, arm, riscv, powerpc, mips, s390.
var faultTable = []signature{
	{needle: "kernel tried to execute", kind: KindOops, severity: Fail, title: "kernel tried to execute protected page"},
	{needle: "kernel tried to access user", kind: KindOops, severity: Fail, title: "kernel tried to access user memory"},
	{needle: "ernel NULL pointer dereference", kind: KindOops, severity: Fail, title: "NULL pointer dereference"},
	{needle: "nable to handle kernel", pattern: `nable to handle kernel (paging request|data access|instruction fetch|pointer dereference|access to user memory|execution of \w+|read|write)`, kind: KindOops, severity: Fail, title: "unable to handle page fault"},
	{needle: "nable to handle page fault", kind: KindOops, severity: Fail, title: "unable to handle page fault"},
	{needle: "nable to handle kernel", kind: KindOops, severity: Fail, title: "unable to handle kernel access"},
	{needle: "PANIC: double fault", kind: KindOops, severity: Fail, title: "double fault"},
	{needle: "PANIC: early exception", kind: KindOops, severity: Fail, title: "early exception"},
	{needle: "rust_kernel: panicked", kind: KindBug, severity: Fail, title: "Rust panic"},
	{needle: "ernel BUG at", pattern: `[Kk]ernel BUG at (?:\[verbose debug info unavailable\]|\S+)`, kind: KindBug, severity: Fail, title: "kernel BUG"},
	{needle: "general protection", pattern: `general protection( fault|:)`, kind: KindOops, severity: Fail, title: "general protection fault", flags: user},
	{needle: "divide error:", kind: KindOops, severity: Fail, title: "divide error", flags: user},
	{needle: "divide_error:", kind: KindOops, severity: Fail, title: "divide error", flags: user},
	{needle: "invalid opcode:", kind: KindOops, severity: Fail, title: "invalid opcode", flags: user},
	{needle: "int3:", pattern: `\bint3: `, kind: KindOops, severity: Fail, title: "int3", flags: user},
	{needle: "stack segment:", kind: KindOops, severity: Fail, title: "stack segment", flags: user},
	{needle: "alignment check:", kind: KindOops, severity: Fail, title: "alignment check", flags: user},
	{needle: "Missing ENDBR:", kind: KindCFI, severity: Fail, title: "control protection fault"},
	{needle: "control protection", pattern: `control protection( fault|:)`, kind: KindCFI, severity: Fail, title: "control protection fault", flags: user},
	{needle: "CFI failure", pattern: `CFI failure (at|\()`, kind: KindCFI, severity: Fail, title: "CFI failure"},
	{needle: "Unhandled fault:", kind: KindOops, severity: Fail, title: "Unhandled fault"},
	{needle: "Unhandled prefetch abort:", kind: KindOops, severity: Fail, title: "Unhandled prefetch abort"},
	{needle: "Alignment trap: not handling", kind: KindOops, severity: Fail, title: "Alignment trap"},
	{needle: "Bad mode in", pattern: `Bad mode in .* (?:handler )?detected`, kind: KindPanic, severity: Fail, title: "bad mode"},
	{needle: "Unhandled 64-bit", pattern: `Unhandled (64|32)-bit \w+ \w+ exception`, kind: KindPanic, severity: Fail, title: "unhandled exception"},
	{needle: "SError Interrupt on CPU", kind: KindOops, severity: Fail, title: "SError interrupt"},
	{needle: "BRK exception at EL1", kind: KindOops, severity: Fail, title: "unexpected BRK exception"},
	{needle: "Internal error:", pattern: `^Internal error: |Internal error: .*\[#\d+\]`, kind: KindOops, severity: Fail, title: "Internal error", flags: tail},
	{needle: "Kernel access of bad area", kind: KindOops, severity: Fail, title: "kernel access of bad area"},
	{needle: "Oops: ", pattern: `^Oops: |\bOops: .*\[#\d+\]`, kind: KindOops, severity: Fail, title: "Oops", flags: tail},
	{needle: "Oops - ", pattern: `\bOops - `, kind: KindOops, severity: Fail, title: "Oops", flags: tail},
	{needle: "Fixing recursive fault", kind: KindOops, severity: Fail, title: "recursive fault", flags: tail | whole},
	{needle: " bug detected[#", kind: KindOops, severity: Fail, title: "kernel bug detected"},
	// die() of every architecture ends its first line in a counter; whatever it calls the trap, it is one.
	{needle: "[#1]", pattern: `^(?:.*: )?([A-Za-z][\w -]*?)(?:: [0-9a-fx]+.*)? \[#\d+\](?: |$)`, kind: KindOops, severity: Fail, title: "$1", flags: tail},
}

// bootTable holds the end of the road: panics, and the boots that got nowhere.
var bootTable = []signature{
	{needle: "Unable to mount root fs", kind: KindBoot, severity: Infra, title: "unable to mount root fs", flags: whole},
	{needle: "o working init found", pattern: `[Nn]o working init found`, kind: KindBoot, severity: Infra, title: "no working init found", flags: whole},
	{needle: "Initramfs unpacking failed", kind: KindBoot, severity: Infra, title: "initramfs unpacking failed", flags: single | whole},
	{needle: "System is deadlocked on memory", kind: KindOOM, severity: Infra, title: "system is deadlocked on memory", flags: whole},
	{needle: "ut of memory: Kill", pattern: `[Oo]ut of memory: Kill(ed)? process`, kind: KindOOM, severity: Infra, title: "out of memory: killed process", flags: single | whole},
	{needle: "Kernel panic - not syncing", pattern: `Kernel panic - not syncing:? ?(.*)`, kind: KindPanic, severity: Fail, title: "kernel panic: $1", flags: tail},
}
