package console

import (
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

// noticeRE is one of the kernel's notices of lost records (Linux kernel/printk/printk.c).
var noticeRE = regexp.MustCompile(`\*\* (?:(\d{1,9}) printk messages dropped|replaying previous printk message)`)

// Lost reads the kernel's own notices of lost records.
func Lost(log []byte) Loss {
	var loss Loss
	for _, m := range noticeRE.FindAllSubmatch(log, -1) {
		if m[1] == nil {
			loss.Replayed++
			continue
		}
		n, _ := strconv.Atoi(string(m[1])) // at most nine digits
		loss.Dropped += n
	}
	return loss
}
