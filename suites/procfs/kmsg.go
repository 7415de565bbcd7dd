package procfs

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

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
