package suites

import (
	"slices"
	"strings"
)

// faultStarts are what the first line of a fault's report contains; "…" stands for anything. The host decides by the whole
// console and a far longer list; this one is for specs that want to fail where the fault was caused.
var faultStarts = []string{
	// Memory.
	"BUG: ", "UBSAN: ", "BUG … Poison", "BUG … Redzone", "BUG … Object ", "Objects remaining in", "objects remaining in",
	"still has objects", "detected buffer overflow in", "Kernel memory overwrite attempt", "Kernel memory exposure attempt",
	"stack-protector: ", "corrupted stack end", "Trying to vfree", "Trying to free", "list_add corruption", "list_del corruption",
	"refcount_t: ", "ODEBUG: ",
	// Faults of the processor.
	"kernel BUG at", "Oops: …[#", "Oops - ", "Unable to handle kernel", "kernel NULL pointer dereference", "Internal error: ",
	"general protection fault", "double fault", "divide error: ", "invalid opcode: ", "Kernel panic - not syncing",
	// Locks and hangs.
	"INFO: possible ", "INFO: trying to register non-static key", "INFO: rcu_…detected", "INFO: task … blocked ",
	"hard LOCKUP", "Invalid wait context", "lock held when returning to user space", "inconsistent lock state",
	"suspicious RCU usage", "bad unlock balance",
	// Warnings, in both of their forms: "WARNING: CPU: 0 PID: 1 at file:line" and, since 6.19, "WARNING: file:line at".
	"WARNING: … at ", "WARNING: possible ",
	// The driver core.
	"cannot create duplicate filename", "kobject_add_internal failed", "does not have a release() function",
	"proc_dir_entry … already registered", "remove_proc_entry: removing non-empty", "nobody cared", "init suspiciously returned",
}

// notFaults are in lines that look like a fault and are none.
var notFaults = []string{
	"lockdep is turned off", "Stall ended before state dump",
	"general protection fault ip:", // a process's own (Linux arch/x86/kernel/traps.c)
}

func isFault(line string) bool {
	return !slices.ContainsFunc(notFaults, func(words string) bool { return strings.Contains(line, words) }) &&
		slices.ContainsFunc(faultStarts, func(words string) bool { return hasWords(line, words) })
}

// hasWords reports whether line has the parts of words between "…" in order, the first at the start of a word: "DEBUG: " is no "BUG: ".
func hasWords(line, words string) bool {
	first, rest, _ := strings.Cut(words, "…")
	for from := 0; ; {
		at := strings.Index(line[from:], first)
		if at < 0 {
			return false
		}
		at += from
		from = at + len(first)
		if at == 0 || !isLetter(line[at-1]) {
			return hasRest(line[from:], rest)
		}
	}
}

func hasRest(line, words string) (found bool) {
	for part := range strings.SplitSeq(words, "…") {
		if _, line, found = strings.Cut(line, part); !found {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
