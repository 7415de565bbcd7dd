package console

import (
	"bytes"
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
	if after, ok := syslogHost(rest); ok {
		rest = after
	}
	if n, level, user := levelPrefix(rest); n > 0 {
		l.Level, l.User = level, user
		rest = rest[n:]
	}
	if n := stampLen(rest); n > 0 {
		l.Stamp = true
		rest = rest[n:]
		if n, caller := callerPrefix(rest); n > 0 {
			l.Caller = caller
			rest = rest[n:]
		}
		rest = bytes.TrimPrefix(rest, []byte(" "))
	}
	l.Text = printable(rest)
	return l
}

// levelPrefix reads "<N>" of console_msg_format=syslog: N is facility*8+level, and facility 0 is the kernel.
func levelPrefix(b []byte) (n, level int, user bool) {
	if len(b) < 3 || b[0] != '<' {
		return 0, -1, false
	}
	end := bytes.IndexByte(b[:min(len(b), 6)], '>')
	if end < 2 {
		return 0, -1, false
	}
	v, err := strconv.ParseUint(string(b[1:end]), 10, 16)
	if err != nil {
		return 0, -1, false
	}
	return end + 1, int(v & 7), v>>3 != 0
}

// stampLen is the length of a time stamp "[%5lu.%06lu]" at the start of b (print_time in Linux kernel/printk/printk.c),
// zero when there is none.
func stampLen(b []byte) int {
	if len(b) < 14 || b[0] != '[' {
		return 0
	}
	i := 1
	for i < len(b) && b[i] == ' ' {
		i++
	}
	digits := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == digits || i < 6 || i > 20 || len(b) < i+8 || b[i] != '.' || b[i+7] != ']' {
		return 0
	}
	for _, c := range b[i+1 : i+7] {
		if !isDigit(c) {
			return 0
		}
	}
	return i + 8
}

// callerPrefix reads "[  T123]" or "[    C1]" (print_caller in Linux kernel/printk/printk.c).
func callerPrefix(b []byte) (int, string) {
	if len(b) < 4 || b[0] != '[' {
		return 0, ""
	}
	end := bytes.IndexByte(b[:min(len(b), 24)], ']')
	if end < 0 {
		return 0, ""
	}
	id := bytes.TrimLeft(b[1:end], " ")
	if len(id) < 2 || id[0] != 'T' && id[0] != 'C' {
		return 0, ""
	}
	for _, c := range id[1:] {
		if !isDigit(c) {
			return 0, ""
		}
	}
	return end + 1, string(id)
}

// syslogHost cuts "Nov 22 11:25:00 host kernel: " off the line of a log file.
func syslogHost(b []byte) ([]byte, bool) {
	if len(b) < 24 || b[3] != ' ' || b[6] != ' ' || b[9] != ':' || b[12] != ':' || b[0] < 'A' || b[0] > 'Z' {
		return nil, false
	}
	head := b[:min(len(b), 120)]
	i := bytes.Index(head, []byte(" kernel: "))
	if i < 0 {
		return nil, false
	}
	return b[i+len(" kernel: "):], true
}

// printable makes text of raw bytes that is safe to show, on one line of at most maxLine bytes.
func printable(raw []byte) string {
	text := strings.ReplaceAll(string(raw[:min(len(raw), maxLine)]), "\r", "")
	return strings.TrimRight(clip(oneLine.Replace(wire.Scrub(text)), maxLine), " ")
}

var oneLine = strings.NewReplacer("\t", " ", "\n", " ")

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
