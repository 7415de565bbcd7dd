package suites

import (
	"regexp"
	"strings"
)

// faultStart matches the first line of a report in which the kernel tells of a fault. The host reads the whole console
// with a far longer list and decides; this one is for specs that want to fail beside the line that did it.
var faultStart = regexp.MustCompile(strings.Join([]string{
	`BUG: (KASAN|KFENCE|KMSAN|KCSAN|Bad page|Bad rss-counter|memory leak|unable to handle|kernel NULL|scheduling while atomic|` +
		`sleeping function called|using .* in preemptible|spinlock|rwlock|workqueue|soft lockup|stack guard page|TASK stack guard)`,
	`UBSAN:`,
	`BUG .*: (Poison|Redzone|Object|Left Redzone|Right Redzone|Objects remaining)`,
	`[Oo]bjects remaining in`, `still has objects`,
	`kernel BUG at`, `Oops(:| -)`, `Unable to handle kernel`, `kernel NULL pointer dereference`,
	`Internal error:`, `general protection fault`, `double fault`, `divide error:`, `invalid opcode:`,
	`Kernel panic - not syncing`, `stack-protector:`, `corrupted stack end`,
	`detected buffer overflow in`, `Kernel memory (exposure|overwrite) attempt`,
	`------------\[ cut here \]------------`, `WARNING: .* at .*`,
	`WARNING: (possible|inconsistent|bad unlock|held lock|suspicious RCU|Nested lock)`, `INFO: possible`,
	`Invalid wait context`, `trying to register non-static key`, `lock held when returning to user space`,
	`rcu_.*(self-)?detected.* stall`, `hard LOCKUP`, `blocked (in I/O wait )?for more than \d+ seconds`,
	`refcount_t:`, `ODEBUG:`, `list_(add|del) corruption`, `(sysfs: )?cannot create duplicate filename`,
	`kobject_add_internal failed`, `does not have a release\(\) function`, `proc_dir_entry .* already registered`,
	`remove_proc_entry: removing non-empty`, `Trying to (free|vfree)`, `nobody cared`, `init suspiciously returned`,
}, "|"))

// notFaults are lines that look like one and are none.
var notFaults = []string{
	"lockdep is turned off", "Stall ended before state dump", "general protection fault ip:", // a process's, not the kernel's
}

// faults returns the lines that start the report of a fault.
func faults(lines []string) []string {
	var found []string
	for _, line := range lines {
		if faultStart.MatchString(line) && !containsAny(line, notFaults) {
			found = append(found, line)
		}
	}
	return found
}

func containsAny(line string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
}
