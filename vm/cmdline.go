package vm

import (
	"fmt"
	"strings"
	"unicode"
)

// kernelWords are the words on every machine. None changes what is tested: mitigations and random layout are not touched.
var kernelWords = []string{
	"panic=-1",             // a panic ends the guest at once (with -no-reboot): no waiting for a deadline
	"oops=panic",           // nothing that runs after an oops is evidence; this also stops a flood of them
	"ignore_loglevel",      // every line of the log is evidence
	"printk.time=1",        // lines carry their time, whatever the configuration says
	"printk.devkmsg=on",    // what PID 1 writes to /dev/kmsg is not rate-limited
	"8250.nr_uarts=4",      // kernels built with fewer would hide the report and the terminal
	"sysrq_always_enabled", // Diagnose may send keys on the console (drivers/tty/sysrq.c)
}

// emulatedWords raise the time limits of an emulated kernel: that a busy host did not schedule the guest for half a minute
// is no fault of its kernel. Locks that are never released are found all the same, later.
var emulatedWords = []string{
	"watchdog_thresh=55",                 // soft lockup after 110 s, not 20 (kernel/watchdog.c; 60 is the most)
	"rcupdate.rcu_cpu_stall_timeout=120", // not 21 (kernel/rcu/update.c)
	"workqueue.watchdog_thresh=120",      // not 30 (kernel/workqueue.c)
}

func (m *Machine) cmdline() string {
	a := archs[m.Arch]
	words := append([]string{"console=" + a.console}, kernelWords...)
	if m.Accel.orDefault().Name == "tcg" {
		words = append(words, emulatedWords...)
	}
	words = append(words, a.kernel...)
	return strings.Join(append(words, m.Args...), " ")
}

// checkWords refuses what the kernel's parser would split or join (Linux lib/cmdline.c next_arg): it ends a word at a blank
// outside of double quotes, and knows no escapes.
func checkWords(words []string) error {
	for _, word := range words {
		quoted := false
		for _, r := range word {
			switch {
			case unicode.IsControl(r):
				return fmt.Errorf("kernel argument %q has a control character", word)
			case r == '"':
				quoted = !quoted
			case unicode.IsSpace(r) && !quoted:
				return fmt.Errorf("kernel argument %q has a space outside of double quotes: give two arguments", word)
			}
		}
		if word == "" || quoted {
			return fmt.Errorf("kernel argument %q is empty or ends within double quotes", word)
		}
	}
	return nil
}
