package console

import "github.com/modmatrix/modmatrix/results"

// Severity says how much a splat weighs.
type Severity int

// The severities. The zero value is invalid.
const (
	Fail  Severity = iota + 1 // a fault of the kernel or of a module in it
	Warn                      // a fault by default; a project may allow it
	Note                      // worth a line, decides nothing
	Infra                     // the guest could not be run as planned; says nothing of the module
)

// Fault reports whether s counts against the kernel under test unless someone allowed it.
func (s Severity) Fault() bool { return s == Fail || s == Warn }

// The kinds of splats: a closed list.
const (
	KindOops       = "oops"        // a trap in kernel mode: page fault, general protection, divide error …
	KindBug        = "bug"         // BUG(), a Rust panic, or a line that begins with BUG: and has no better kind
	KindPanic      = "panic"       // a panic that no earlier splat explains
	KindWarn       = "warn"        // WARN_ON and its kin
	KindKASAN      = "kasan"       // out of bounds, use after free
	KindKFENCE     = "kfence"      // the same, sampled
	KindKMSAN      = "kmsan"       // use of uninitialised memory
	KindKCSAN      = "kcsan"       // data race
	KindUBSAN      = "ubsan"       // undefined behaviour
	KindSLUB       = "slub"        // allocator debugging: poison, red zones, double free
	KindBadPage    = "bad-page"    // page tables or page flags are corrupt
	KindFortify    = "fortify"     // FORTIFY_SOURCE stopped an overflow
	KindUsercopy   = "usercopy"    // hardened usercopy stopped a copy
	KindList       = "list"        // a linked list is corrupt
	KindStack      = "stack"       // a kernel stack overflowed or was overwritten
	KindCFI        = "cfi"         // control flow integrity
	KindODEBUG     = "odebug"      // an object's life cycle: freed while active, initialised twice …
	KindLockdep    = "lockdep"     // lock order and lock use
	KindRCU        = "rcu"         // suspicious RCU usage
	KindAtomic     = "atomic"      // sleeping, or per-CPU access, in the wrong context
	KindSpinlock   = "spinlock"    // spinlock and rwlock debugging
	KindSoftLockup = "soft-lockup" // a CPU did not schedule
	KindHardLockup = "hard-lockup" // a CPU took no interrupts
	KindStall      = "stall"       // RCU or workqueue stall
	KindHungTask   = "hung-task"   // a task was blocked for minutes
	KindRefcount   = "refcount"    // refcount_t saturated or underflowed
	KindLeak       = "leak"        // memory, objects or references left behind
	KindDriverCore = "driver-core" // names registered twice, lost interrupts, DMA misuse
	KindModuleLoad = "module-load" // the loader's own words about a module
	KindTrace      = "trace"       // a stack trace that nothing announced
	KindCrit       = "crit"        // a record of level KERN_CRIT or worse that nothing else explains
	KindAlloc      = "alloc"       // an allocation failed
	KindOOM        = "oom"         // the out-of-memory killer
	KindBoot       = "boot"        // no initramfs
	KindReboot     = "reboot"      // the machine started anew, and did not say why
)

func code(kind string) results.Code {
	switch kind {
	case KindPanic:
		return results.CodePanic
	case KindWarn, KindODEBUG, KindRefcount, KindDriverCore, KindTrace, KindCrit, KindAlloc:
		return results.CodeWarn
	case KindKASAN, KindKFENCE, KindKMSAN, KindKCSAN, KindUBSAN, KindSLUB:
		return results.CodeSanitizer
	case KindLockdep, KindRCU, KindAtomic, KindSpinlock:
		return results.CodeLockdep
	case KindSoftLockup, KindHardLockup, KindStall, KindHungTask:
		return results.CodeHang
	case KindLeak:
		return results.CodeLeak
	case KindModuleLoad:
		return results.CodeLoadRefused
	case KindReboot:
		return results.CodeReset
	case KindOOM, KindBoot:
		return results.CodeInfra
	}
	return results.CodeOops
}
