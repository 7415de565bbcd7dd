package console

import (
	"bytes"
	"regexp"
	"strconv"
)

// Loss says how much of the kernel's log the console did not get.
type Loss struct {
	Dropped  int // records that the kernel says it dropped
	Replayed int // records that the kernel printed again after a panic: earlier text may be torn
}

// Complete reports whether nothing is known to be missing.
func (l Loss) Complete() bool { return l.Dropped == 0 && l.Replayed == 0 }

var droppedRE = regexp.MustCompile(`\*\* (\d{1,9}) printk messages dropped`)

// Lost reads the kernel's own notices of lost records: "** 12 printk messages dropped **" and
// "** replaying previous printk message **" (Linux kernel/printk/printk.c).
func Lost(log []byte) Loss {
	var loss Loss
	for rest := log; ; {
		i := bytes.Index(rest, []byte("** "))
		if i < 0 {
			return loss
		}
		rest = rest[i:]
		head := rest[:min(len(rest), 64)]
		if m := droppedRE.FindSubmatch(head); m != nil && bytes.HasPrefix(head, m[0]) {
			n, _ := strconv.Atoi(string(m[1])) // at most nine digits
			loss.Dropped += n
		} else if bytes.HasPrefix(head, []byte("** replaying previous printk message")) {
			loss.Replayed++
		}
		rest = rest[3:]
	}
}
