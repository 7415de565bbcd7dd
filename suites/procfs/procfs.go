// Package procfs parses what the kernel reports about itself: the files under /proc that tests look at, and the records of
// /dev/kmsg, as Linux 5.10 and later write them.
//
// It is pure: it reads from an io.Reader and must never know where the text comes from. A line that does not have the
// kernel's format is an error, never skipped: a test that expects something to be absent must not pass because it could not
// be parsed.
package procfs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Module is one line of /proc/modules (Linux kernel/module/procfs.c, m_show).
type Module struct {
	Name      string
	Size      uint64   // bytes of code and data
	RefCount  int      // users of any kind; -1 when the kernel cannot unload modules and does not count
	Holders   []string // modules that use this one
	Permanent bool     // has an init and no exit function: cannot be unloaded
	State     string   // "Live", "Loading" or "Unloading"
	Address   uint64   // zero when the kernel hides it
	Taints    string   // letters, as in "OE"; "+" and "-" when it is loading or unloading; empty for none
}

// ParseModules reads /proc/modules.
func ParseModules(r io.Reader) ([]Module, error) {
	return parseLines(r, "/proc/modules", parseModule)
}

// parseModule reads "fifo 16384 0 - Live 0xffffffffc0a4f000 (OE)".
func parseModule(line string) (Module, error) {
	f := strings.Fields(line)
	if len(f) < 6 || len(f) > 7 {
		return Module{}, fmt.Errorf("want 6 or 7 fields, not %d", len(f))
	}
	m := Module{Name: f[0], State: f[4], RefCount: -1}
	var err error
	if m.Size, err = strconv.ParseUint(f[1], 10, 64); err != nil {
		return Module{}, fmt.Errorf("size: %w", err)
	}
	if f[2] != "-" { // without CONFIG_MODULE_UNLOAD
		m.RefCount, err = strconv.Atoi(f[2])
	}
	if err != nil {
		return Module{}, fmt.Errorf("reference count: %w", err)
	}
	if m.Address, err = strconv.ParseUint(strings.TrimPrefix(f[5], "0x"), 16, 64); err != nil {
		return Module{}, fmt.Errorf("address: %w", err)
	}
	for user := range strings.SplitSeq(f[3], ",") {
		switch user {
		case "", "-":
		case "[permanent]":
			m.Permanent = true
		default:
			m.Holders = append(m.Holders, user)
		}
	}
	if len(f) == 7 {
		m.Taints = strings.Trim(f[6], "()")
	}
	return m, nil
}

// KmsgRecord is one message of the kernel log, as a single read of /dev/kmsg returns it
// (Linux Documentation/ABI/testing/dev-kmsg).
type KmsgRecord struct {
	Facility int    // 0 is the kernel; messages of user space have another
	Level    int    // 0 emergency … 3 error, 4 warning … 7 debug
	Seq      uint64 // counts every message since boot; a gap means that messages were overwritten
	Micros   uint64 // microseconds since boot
	Text     string // without a newline at its end
	Device   string // the DEVICE= that dev_printk adds, as in "+pci:0000:00:03.0"; empty for none
}

// ParseKmsg reads one record: "6,339,5140900,-;text", then lines of " KEY=value".
func ParseKmsg(record string) (KmsgRecord, error) {
	head, rest, ok := strings.Cut(record, ";")
	if !ok {
		return KmsgRecord{}, errors.New("read kmsg record: no semicolon")
	}
	f := strings.Split(head, ",")
	if len(f) < 3 { // more may come in the future, the ABI says
		return KmsgRecord{}, fmt.Errorf("read kmsg record: want priority, sequence and time, not %q", head)
	}
	var number [3]uint64
	for i := range number {
		n, err := strconv.ParseUint(f[i], 10, 63)
		if err != nil {
			return KmsgRecord{}, fmt.Errorf("read kmsg record: field %d: %w", i+1, err)
		}
		number[i] = n
	}
	text, dict, _ := strings.Cut(rest, "\n")
	r := KmsgRecord{Facility: int(number[0] >> 3), Level: int(number[0] & 7), Seq: number[1], Micros: number[2], Text: unescape(text)}
	for line := range strings.SplitSeq(dict, "\n") {
		if device, ok := strings.CutPrefix(line, " DEVICE="); ok {
			r.Device = unescape(device)
		}
	}
	return r, nil
}

// unescape decodes "\x0a": the kernel writes so what is not printable ASCII, and the backslash (printk.c, append_char).
func unescape(s string) string {
	return escaped.ReplaceAllStringFunc(s, func(code string) string {
		n, _ := strconv.ParseUint(code[2:], 16, 8) // the pattern has digits only
		return string([]byte{byte(n)})
	})
}

var escaped = regexp.MustCompile(`\\x[0-9a-fA-F]{2}`)

// maxLine bounds one line. The longest real ones are in /proc/interrupts, some ten bytes for each possible CPU.
const maxLine = 1 << 20

// parseLines returns what parse makes of each line of r, and with an error nothing.
func parseLines[T any](r io.Reader, file string, parse func(line string) (T, error)) (list []T, err error) {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 0, 4096), maxLine)
	for scan.Scan() {
		one, err := parse(scan.Text())
		if err != nil {
			return nil, fmt.Errorf("read %s: line %d: %w", file, len(list)+1, err)
		}
		list = append(list, one)
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read %s: line %d: %w", file, len(list)+1, err)
	}
	return list, nil
}
