package console

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

// maxLine bounds what is read of one line. A printk record holds about 1000 bytes
// (PRINTK_MESSAGE_MAX in Linux kernel/printk/internal.h); what is longer is not the kernel's.
const maxLine = 4096

// Line is one line of the kernel log without its prefixes.
type Line struct {
	Text   string // printable and valid UTF-8; leading spaces are kept, they mean something in traces
	Caller string // "T123" for a task, "C1" for a CPU in interrupt context; empty without CONFIG_PRINTK_CALLER
	Level  int    // 0 (emergency) to 7 (debug); -1 when the console was not booted with console_msg_format=syslog
	User   bool   // the record was written by a process through /dev/kmsg: its facility is not the kernel's
	Stamp  bool   // the line carried the kernel's time stamp
}

// Clean strips the line end, ANSI sequences, control and text-direction characters, and the prefixes
// of printk ("<6>", "[    1.234567]", "[  T123]") and of a syslog file ("Nov 22 11:25:00 host kernel: ").
func Clean(raw []byte) Line {
	l := Line{Level: -1}
	rest := bytes.TrimLeft(raw, "\r\x00")
	if len(rest) > 0 && rest[0] >= 'A' && rest[0] <= 'Z' {
		rest = rest[len(syslogRE.Find(rest)):]
	}
	if n, level, user := levelPrefix(rest); n > 0 {
		l.Level, l.User = level, user
		rest = rest[n:]
	}
	if n := stampLen(rest); n > 0 {
		l.Stamp = true
		rest = rest[n:]
		if m := callerRE.FindSubmatch(rest); m != nil {
			l.Caller = string(m[1])
			rest = rest[len(m[0]):]
		}
		rest = bytes.TrimPrefix(rest, []byte(" "))
	}
	l.Text = printable(rest)
	return l
}

var (
	levelRE = regexp.MustCompile(`^<(\d{1,4})>`)
	// stampRE is a time stamp "[%5lu.%06lu]" (print_time in Linux kernel/printk/printk.c).
	stampRE = regexp.MustCompile(`^\[[ \d]{4,18}\d\.\d{6}\]`)
	// callerRE is "[  T123]" or "[    C1]" (print_caller in Linux kernel/printk/printk.c).
	callerRE = regexp.MustCompile(`^\[ *([TC]\d+)\]`)
	// syslogRE is what a log file has before a line of the kernel: "Nov 22 11:25:00 host kernel: ".
	syslogRE = regexp.MustCompile(`^[A-Z].. .. ..:..:.. (?:[^\[<]{0,80} )?kernel: `)
)

// levelPrefix reads "<N>" of console_msg_format=syslog: N is facility*8+level, and facility 0 is the kernel.
func levelPrefix(b []byte) (n, level int, user bool) {
	if len(b) == 0 || b[0] != '<' {
		return 0, -1, false
	}
	m := levelRE.FindSubmatch(b)
	if m == nil {
		return 0, -1, false
	}
	v, _ := strconv.Atoi(string(m[1])) // at most four digits
	return len(m[0]), v & 7, v>>3 != 0
}

// stampLen is the length of the time stamp at the start of b, zero when there is none.
func stampLen(b []byte) int {
	if len(b) < 14 || b[0] != '[' || b[1] != ' ' && !isDigit(b[1]) {
		return 0
	}
	return len(stampRE.Find(b))
}

// printable makes text of raw bytes that is safe to show, on one line of at most maxLine bytes.
func printable(raw []byte) string {
	text := strings.ReplaceAll(string(raw[:min(len(raw), maxLine)]), "\r", "")
	return strings.TrimRight(clip(oneLine.Replace(wire.Scrub(text)), maxLine), " ")
}

var oneLine = strings.NewReplacer("\t", " ", "\n", " ")

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
