package suites

import (
	"fmt"
	"strconv"
	"strings"
)

// Taint is /proc/sys/kernel/tainted. The zero value is an untainted kernel. Bits are never cleared before the next boot.
type Taint uint64

// taintLetters are the kernel's, by bit (Linux kernel/panic.c, taint_flags).
const taintLetters = "PFSRMBUDAWCIOELKXTNJ"

// BadTaint are the bits that no module may set, however its suite ends: F forced load, R forced unload, M machine check,
// B bad page, D died, W warned, L soft lockup. Others, such as P, O and E, are properties of a module, not faults.
const BadTaint Taint = 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<7 | 1<<9 | 1<<14

// KernelTaint is the kernel's current taint.
func KernelTaint() (Taint, error) {
	text, err := ReadProc("sys/kernel/tainted")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read kernel taint: %w", err)
	}
	return Taint(n), nil
}

// Since are the bits of t that were not set in before.
func (t Taint) Since(before Taint) Taint { return t &^ before }

// Bad are the bits of t that mean a fault; see BadTaint.
func (t Taint) Bad() Taint { return t & BadTaint }

// String is the letters of t, as in "OE"; "none" for zero; "bit20" for a bit without a letter.
func (t Taint) String() string {
	if t == 0 {
		return "none"
	}
	var b strings.Builder
	for bit := range 64 {
		switch {
		case t&(1<<bit) == 0:
		case bit < len(taintLetters):
			b.WriteByte(taintLetters[bit])
		default:
			fmt.Fprintf(&b, "bit%d", bit)
		}
	}
	return b.String()
}
