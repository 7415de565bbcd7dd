package console

// The titles of an access to memory that is not there, or not the kernel's, which the lines behind the first may refine.
const (
	pageFault  = "unable to handle page fault"
	userMemory = "kernel tried to access user memory"
)

// faultTable holds traps in kernel mode, BUG() and panics, in the words of x86, arm64, arm, riscv, powerpc, mips, s390
// (Linux arch/*/kernel/traps.c, arch/*/mm/fault.c, and die() of each).
var faultTable = []signature{
	// The end of an oops on arm64 says its beginning again: "Oops - BUG: Fatal exception".
	{literal: "Kernel panic - not syncing", pattern: `Kernel panic - not syncing: (.+: Fatal exception.*)`, kind: KindPanic, severity: Fail, title: "kernel panic: $1", flags: tail},
	{literal: "kernel tried to execute", pattern: `kernel tried to execute user page \([0-9a-f]{1,3}\)`, kind: KindOops, severity: Fail, title: "NULL pointer dereference"},
	{literal: "kernel tried to execute", kind: KindOops, severity: Fail, title: "kernel tried to execute protected page"},
	{literal: "kernel tried to access user", kind: KindOops, severity: Fail, title: userMemory},
	{literal: "ernel NULL pointer dereference", kind: KindOops, severity: Fail, title: "NULL pointer dereference"},
	{literal: "(NULL pointer?)", kind: KindOops, severity: Fail, title: "NULL pointer dereference"},
	// A process's page zero lies in user memory, where the kernel may not look.
	{literal: "ernel access to user memory", pattern: `ernel access to user memory (?:outside|without) uaccess routines at virtual address 0+[0-9a-f]{0,3}$`, kind: KindOops, severity: Fail, title: "NULL pointer dereference"},
	{literal: "ernel attempted to ", pattern: `^Kernel attempted to (?:read|write|access|execute) user page \([0-9a-f]{1,3}\)`, kind: KindOops, severity: Fail, title: "NULL pointer dereference"},
	{literal: "ernel attempted to ", pattern: `^Kernel attempted to (?:read|write|access|execute) user page`, kind: KindOops, severity: Fail, title: userMemory},
	{literal: "ernel unaligned access", pattern: `nable to handle kernel unaligned access`, kind: KindOops, severity: Fail, title: "unaligned access"},
	{literal: "nable to handle kernel", pattern: `nable to handle kernel execut(?:e|ion)`, kind: KindOops, severity: Fail, title: "kernel tried to execute protected page"},
	{literal: "ernel access to user memory", kind: KindOops, severity: Fail, title: userMemory},
	{literal: "nable to handle kernel", pattern: `nable to handle kernel \w+ \w+ in virtual user address space`, kind: KindOops, severity: Fail, title: userMemory},
	{literal: "nable to handle kernel", pattern: `nable to handle kernel (paging request|data access|instruction fetch|pointer dereference|read|write)`, kind: KindOops, severity: Fail, title: pageFault},
	{literal: "nable to handle page fault", kind: KindOops, severity: Fail, title: pageFault},
	{literal: "nable to handle kernel", kind: KindOops, severity: Fail, title: "unable to handle kernel access"},
	{literal: "PANIC: double fault", kind: KindOops, severity: Fail, title: "double fault"},
	{literal: "PANIC: early exception", kind: KindOops, severity: Fail, title: "early exception"},
	{literal: "rust_kernel: panicked", kind: KindBug, severity: Fail, title: "Rust panic"},
	{literal: "ernel BUG at", pattern: `[Kk]ernel BUG at (?:\[verbose debug info unavailable\]|\S+)`, kind: KindBug, severity: Fail, title: "kernel BUG"},
	{literal: "ernel BUG [#", pattern: `^Kernel BUG \[#\d+\]`, kind: KindBug, severity: Fail, title: "kernel BUG", flags: tail},
	{literal: "Oops - BUG", kind: KindBug, severity: Fail, title: "kernel BUG", flags: tail},
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
	{literal: "Oops - BTI", kind: KindCFI, severity: Fail, title: "branch target exception", flags: tail},
	{literal: "Oops - FPAC", kind: KindCFI, severity: Fail, title: "pointer authentication failure", flags: tail},
	{literal: "Oops - GCS", kind: KindCFI, severity: Fail, title: "guarded control stack exception", flags: tail},
	// A kernel of arm without LPAE takes user memory, NULL with it, out of reach by a domain (Linux arch/arm/include/asm/domain.h).
	{literal: "Unhandled fault:", pattern: `Unhandled fault: (?:page|section) domain fault \(0x[0-9a-f]+\) at 0x0+[0-9a-f]{0,3}$`, kind: KindOops, severity: Fail, title: "NULL pointer dereference"},
	{literal: "Unhandled fault:", pattern: `Unhandled fault: (?:page|section) domain fault`, kind: KindOops, severity: Fail, title: userMemory},
	{literal: "Unhandled fault:", pattern: `Unhandled fault:(?: ([a-z][\w -]*[a-z]))?`, kind: KindOops, severity: Fail, title: "Unhandled fault: $1"},
	{literal: "Unhandled prefetch abort:", pattern: `Unhandled prefetch abort:(?: ([a-z][\w -]*[a-z]))?`, kind: KindOops, severity: Fail, title: "Unhandled prefetch abort: $1"},
	{literal: "Alignment trap: not handling", kind: KindOops, severity: Fail, title: "Alignment trap"},
	{literal: "Bad mode in", pattern: `Bad mode in .* (?:handler )?detected`, kind: KindPanic, severity: Fail, title: "bad mode"},
	{literal: "Unhandled 64-bit", pattern: `Unhandled (64|32)-bit \w+ \w+ exception`, kind: KindPanic, severity: Fail, title: "unhandled exception"},
	{literal: "SError Interrupt on CPU", kind: KindOops, severity: Fail, title: "SError interrupt"},
	{literal: "BRK exception at EL1", kind: KindOops, severity: Fail, title: "unexpected BRK exception"},
	{literal: "Unexpected kernel single-step", kind: KindOops, severity: Fail, title: "unexpected single-step exception"},
	{literal: " exception in kernel mode", pattern: `^(Facility '[\w-]+' unavailable|VMX/Altivec assist)(?: \(\d+\))? exception in kernel mode`, kind: KindOops, severity: Fail, title: "$1 exception"},
	{literal: "Unexpected TM Bad Thing", kind: KindOops, severity: Fail, title: "TM Bad Thing exception"},
	{literal: "Unrecoverable ", pattern: `^Unrecoverable ([A-Za-z][\w /]*?)(?: [0-9a-f]+)? at [0-9a-f]`, kind: KindOops, severity: Fail, title: "Unrecoverable $1"},
	{literal: "Internal error:", pattern: `Internal error: (?:Oops - )?([A-Za-z][\w /-]*?)(?: \[[0-9a-f]+\])?: [0-9a-f]+ \[#\d+\]`, kind: KindOops, severity: Fail, title: "$1", flags: tail},
	{literal: "Internal error:", pattern: `^Internal error: |Internal error: .*\[#\d+\]`, kind: KindOops, severity: Fail, title: "Internal error", flags: tail},
	{literal: "Kernel access of bad area", kind: KindOops, severity: Fail, title: "kernel access of bad area"},
	{literal: ", sig: ", pattern: `\bOops: ([A-Z][\w /()-]*?), sig: \d+ \[#\d+\]`, kind: KindOops, severity: Fail, title: "$1", flags: tail},
	{literal: "Oops: ", pattern: `^Oops: |\bOops: .*\[#\d+\]`, kind: KindOops, severity: Fail, title: "Oops", flags: tail},
	{literal: "Oops - ", pattern: `\bOops - ([A-Za-z][\w ()-]*?)(?: \[#|:|$)`, kind: KindOops, severity: Fail, title: "$1", flags: tail},
	{literal: "Fixing recursive fault", kind: KindOops, severity: Fail, title: "recursive fault", flags: tail | whole},
	{literal: " bug detected[#", kind: KindOops, severity: Fail, title: "kernel bug detected"},
	// die() of every architecture ends its first line in a counter, behind which s390 has "SMP" without a space; whatever it calls
	// the trap, it is one.
	{literal: "[#1]", pattern: `^(?:.*: )?([A-Za-z][\w -]*?)(?:: [0-9a-fx]+.*)? \[#\d+\](?:[ S]|$)`, kind: KindOops, severity: Fail, title: "$1", flags: tail},
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
