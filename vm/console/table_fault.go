package console

// faultTable holds traps in kernel mode, BUG() and panics, in the words of x86, arm64, arm, riscv, powerpc, mips, s390.
var faultTable = []signature{
	{literal: "kernel tried to execute", kind: KindOops, severity: Fail, title: "kernel tried to execute protected page"},
	{literal: "kernel tried to access user", kind: KindOops, severity: Fail, title: "kernel tried to access user memory"},
	{literal: "ernel NULL pointer dereference", kind: KindOops, severity: Fail, title: "NULL pointer dereference"},
	{literal: "nable to handle kernel", pattern: `nable to handle kernel (paging request|data access|instruction fetch|pointer dereference|access to user memory|execution of \w+|read|write)`, kind: KindOops, severity: Fail, title: "unable to handle page fault"},
	{literal: "nable to handle page fault", kind: KindOops, severity: Fail, title: "unable to handle page fault"},
	{literal: "nable to handle kernel", kind: KindOops, severity: Fail, title: "unable to handle kernel access"},
	{literal: "PANIC: double fault", kind: KindOops, severity: Fail, title: "double fault"},
	{literal: "PANIC: early exception", kind: KindOops, severity: Fail, title: "early exception"},
	{literal: "rust_kernel: panicked", kind: KindBug, severity: Fail, title: "Rust panic"},
	{literal: "ernel BUG at", pattern: `[Kk]ernel BUG at (?:\[verbose debug info unavailable\]|\S+)`, kind: KindBug, severity: Fail, title: "kernel BUG"},
	{literal: "general protection", pattern: `general protection( fault|:)`, kind: KindOops, severity: Fail, title: "general protection fault", flags: user},
	{literal: "divide error:", kind: KindOops, severity: Fail, title: "divide error", flags: user},
	{literal: "divide_error:", kind: KindOops, severity: Fail, title: "divide error", flags: user},
	{literal: "invalid opcode:", kind: KindOops, severity: Fail, title: "invalid opcode", flags: user},
	{literal: "int3:", pattern: `\bint3: `, kind: KindOops, severity: Fail, title: "int3", flags: user},
	{literal: "stack segment:", kind: KindOops, severity: Fail, title: "stack segment", flags: user},
	{literal: "alignment check:", kind: KindOops, severity: Fail, title: "alignment check", flags: user},
	{literal: "Missing ENDBR:", kind: KindCFI, severity: Fail, title: "control protection fault"},
	{literal: "control protection", pattern: `control protection( fault|:)`, kind: KindCFI, severity: Fail, title: "control protection fault", flags: user},
	{literal: "CFI failure", pattern: `CFI failure (at|\()`, kind: KindCFI, severity: Fail, title: "CFI failure"},
	{literal: "Unhandled fault:", kind: KindOops, severity: Fail, title: "Unhandled fault"},
	{literal: "Unhandled prefetch abort:", kind: KindOops, severity: Fail, title: "Unhandled prefetch abort"},
	{literal: "Alignment trap: not handling", kind: KindOops, severity: Fail, title: "Alignment trap"},
	{literal: "Bad mode in", pattern: `Bad mode in .* (?:handler )?detected`, kind: KindPanic, severity: Fail, title: "bad mode"},
	{literal: "Unhandled 64-bit", pattern: `Unhandled (64|32)-bit \w+ \w+ exception`, kind: KindPanic, severity: Fail, title: "unhandled exception"},
	{literal: "SError Interrupt on CPU", kind: KindOops, severity: Fail, title: "SError interrupt"},
	{literal: "BRK exception at EL1", kind: KindOops, severity: Fail, title: "unexpected BRK exception"},
	{literal: "Internal error:", pattern: `^Internal error: |Internal error: .*\[#\d+\]`, kind: KindOops, severity: Fail, title: "Internal error", flags: tail},
	{literal: "Kernel access of bad area", kind: KindOops, severity: Fail, title: "kernel access of bad area"},
	{literal: "Oops: ", pattern: `^Oops: |\bOops: .*\[#\d+\]`, kind: KindOops, severity: Fail, title: "Oops", flags: tail},
	{literal: "Oops - ", pattern: `\bOops - `, kind: KindOops, severity: Fail, title: "Oops", flags: tail},
	{literal: "Fixing recursive fault", kind: KindOops, severity: Fail, title: "recursive fault", flags: tail | whole},
	{literal: " bug detected[#", kind: KindOops, severity: Fail, title: "kernel bug detected"},
	// die() of every architecture ends its first line in a counter; whatever it calls the trap, it is one.
	{literal: "[#1]", pattern: `^(?:.*: )?([A-Za-z][\w -]*?)(?:: [0-9a-fx]+.*)? \[#\d+\](?: |$)`, kind: KindOops, severity: Fail, title: "$1", flags: tail},
}

// bootTable holds the end of the road: panics, boots that got nowhere, and those that nobody asked for.
var bootTable = []signature{
	{literal: "Linux version ", pattern: `^Linux version \d+\.\d+`, kind: KindReboot, severity: Fail, title: "unexpected reboot", flags: single | whole | again},
	{literal: "Booting the kernel", pattern: `^Booting the kernel\b`, kind: KindReboot, severity: Fail, title: "unexpected reboot", flags: single | whole | again},
	{literal: "Initramfs unpacking failed", kind: KindBoot, severity: Infra, title: "initramfs unpacking failed", flags: single | whole},
	{literal: "System is deadlocked on memory", kind: KindOOM, severity: Infra, title: "system is deadlocked on memory", flags: whole},
	{literal: "ut of memory: Kill", pattern: `[Oo]ut of memory: Kill(ed)? process`, kind: KindOOM, severity: Infra, title: "out of memory: killed process", flags: single | whole},
	{literal: "Kernel panic - not syncing", pattern: `Kernel panic - not syncing:? ?(.*)`, kind: KindPanic, severity: Fail, title: "kernel panic: $1", flags: tail},
}
