package suites

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/modmatrix/modmatrix/results/wire"
)

// ExpectSplat announces that the running spec makes the kernel report a fault on purpose: one whose title matches pattern,
// a Go regular expression that need not match all of it. Call it before the fault.
//
//	It("warns of a second owner", func() {
//		suites.ExpectSplat("WARNING in fifo_claim")
//		Expect(claimTwice()).To(MatchError(unix.EBUSY))
//	})
//
// Titles read as results and modmatrix explain show them, such as "WARNING in fifo_claim" or "KASAN: slab-use-after-free
// in fifo_read". The fault is expected once, or count times, from the call to the end of the spec. That many fail nothing,
// nor does the taint that they set, such as W. One more is a fault like any other, and one fewer fails the suite on this
// kernel: a check that no longer triggers is broken. Where a fault comes late, from a timer or a work queue, wait for it in
// the kernel log before the spec ends.
//
// A fault that ends the kernel cannot be expected: in modmatrix every oops panics. A spec that depends on the kernel's
// config, such as KASAN, checks KernelConfig first.
//
// The spec fails at once where the pattern is empty or invalid, where count is below one, and where no spec is running.
// Outside of a modmatrix guest nobody watches the kernel, and nothing happens.
func ExpectSplat(pattern string, count ...int) {
	times, err := splatCount(pattern, count)
	switch {
	case err != nil:
		ginkgo.Fail("ExpectSplat: "+err.Error(), 1)
	case ginkgo.CurrentSpecReport().LeafNodeType != types.NodeTypeIt:
		ginkgo.Fail("ExpectSplat: no spec is running: call it in an It, or in a BeforeEach around it", 1)
	case host == nil:
		return
	}
	spec := wire.Spec{Name: ginkgo.CurrentSpecReport().FullText()}
	if err := host.Write(wire.Frame{Kind: wire.KindExpect, Spec: &spec, Text: pattern, Count: times}); err != nil {
		ginkgo.Fail("ExpectSplat: "+err.Error(), 1) // else the fault would be the module's
	}
}

func splatCount(pattern string, count []int) (int, error) {
	if pattern == "" {
		return 0, fmt.Errorf("the pattern is empty, and would match every fault")
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return 0, err
	}
	if len(count) == 0 {
		return 1, nil
	}
	if len(count) > 1 || count[0] < 1 {
		return 0, fmt.Errorf("count is %v, want one number from 1 on", count)
	}
	return count[0], nil
}

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
