package console

import (
	"regexp"
	"slices"
	"strings"
)

// bodyWords are how lines of a report begin that are no frames; so do lines with leading blanks and register dumps.
var bodyWords = []string{
	"CPU: ", "CPU#", "Hardware name:", "Modules linked in:", "Call Trace", "Call trace", "Backtrace", "Stack", "stack ",
	"Workqueue:", "Code:", "Tainted:", "Last unloaded", "task:", "Oops", "Internal error", "Kernel Offset", "Rebooting",
	"Dumping ftrace", "PGD", "PKRU", "pstate", "pgd =", "PC is", "LR is", "Flags:", "Control:", "Process ", "epc",
	"NIP", "LR", "GPR", "MSR", "CFAR", "Instruction dump", "Krnl", "Mem abort info", "Data abort info", "swapper pgtable",
	"Read of size", "Write of size", "Allocated by", "Freed by", "The buggy", "Memory state", "which belongs",
	"Last potentially", "page:", "flags:", "raw:", "page dumped", "==========", "----------", "Object ", "Redzone",
	"Padding", "Bytes ", "FIX ", "INFO: ", "Slab ", "other info", "Possible unsafe", "the existing", "the shortest",
	"the first", "1 lock held", "no locks held", "rcu: ", "NMI backtrace", "Sending NMI", "Showing", "write to", "read to",
	"read-write", "value changed", "Reported by", "Uninit", "Local variable", "irq event", "hardirqs", "softirqs",
	"---[", "in_atomic", "Last Breaking", "Failing address", "Fault in ", "AS:", "status: ", "Current ", "Register r",
	"LE PAGE_SIZE", "BE PAGE_SIZE", "REGS: ", "DAR: ", "XER: ", "Faulting instruction", "*pd", "user pgtable", "ESR:", "FAR:", "Task stack:",
	"IRQ stack:", "Overflow stack:", "PHYS_OFFSET", "CPU features", "Memory Limit", "SMP: stopping", "preempt_count", "comm ", "but task", "but there", "which lock", "-> #", "KASAN: ",
}

func inBody(text string) bool {
	switch {
	case text == "":
		return false
	case text[0] == ' ' || text[0] == '[' || text[0] == '#' && len(text) > 1 && isDigit(text[1]):
		return strings.TrimLeft(text, " ") != ""
	}
	return startsWithAny(text, bodyWords) || isRegisters(text)
}

func startsWithAny(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(text, word) })
}

// registersRE are register dumps, names of stacks and raw stack words: before a trace, or where an interrupt broke into one.
var registersRE = regexp.MustCompile(`^(?:</?[A-Z#]+>$|[ER]?(?:IP|SP|AX|BX|CX|DX|SI|DI|BP|FLAGS)[: ]|R\d\d:|[CDEFGS]S:|` +
	`CR[0-4]:|DR\d:|Code:|ORIG_|EFLAGS|pstate|pc :|lr :|sp :|x\d+ ?:|r\d+ ?:|psr|Exception stack|Stack: \(|` +
	`[0-9a-f]{4}: |(?:<?[0-9a-fX]{8}>? ?){8}$|--- interrupt|\.\.\.$|={3}|LR =|\(null\)|>?[0-9a-f]{16}(?: |:|$))`)

func isRegisters(text string) bool { return registersRE.MatchString(strings.TrimLeft(text, " ")) }
