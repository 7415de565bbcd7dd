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

// KmsgRecord is a message of the kernel log, as one read of /dev/kmsg returns it (Linux Documentation/ABI/testing/dev-kmsg).
type KmsgRecord struct {
	Facility int    // 0 is the kernel; messages of user space have another
	Level    int    // 0 emergency … 3 error, 4 warning … 7 debug
	Seq      uint64 // counts every message since boot; a gap means that messages were overwritten
	Micros   uint64 // microseconds since boot
	Text     string // without a newline at its end
	Device   string // the DEVICE= that dev_printk adds, as in "+pci:0000:00:03.0"; empty for none
	Caller   string // "T123" for a task, "C1" for a processor in interrupt context; empty without CONFIG_PRINTK_CALLER
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
	for _, more := range f[3:] {
		if caller, ok := strings.CutPrefix(more, "caller="); ok {
			r.Caller = caller
		}
	}
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

// Device is a major number and the name a driver registered for it.
type Device struct {
	Major int
	Name  string
}

// Devices is /proc/devices: the registered majors, in the kernel's order. A major may be there more than once.
type Devices struct {
	Char  []Device
	Block []Device
}

// ParseDevices reads /proc/devices (Linux fs/proc/devices.c).
func ParseDevices(r io.Reader) (Devices, error) {
	var devices Devices
	var list *[]Device
	_, err := parseLines(r, "/proc/devices", func(line string) (d Device, err error) {
		switch {
		case line == "":
		case line == "Character devices:":
			list = &devices.Char
		case line == "Block devices:":
			list = &devices.Block
		case list == nil:
			err = errors.New("a device outside of the lists of character and block devices")
		default:
			if d, err = parseDevice(line); err == nil {
				*list = append(*list, d)
			}
		}
		return d, err
	})
	if err != nil {
		return Devices{}, err
	}
	return devices, nil
}

// parseDevice reads " 10 misc".
func parseDevice(line string) (Device, error) {
	major, name, ok := strings.Cut(strings.TrimLeft(line, " "), " ")
	if !ok {
		return Device{}, fmt.Errorf("want a major and a name, not %q", line)
	}
	n, err := strconv.Atoi(major)
	if err != nil {
		return Device{}, fmt.Errorf("major: %w", err)
	}
	return Device{n, name}, nil
}

// Region is one line of /proc/iomem or /proc/ioports: a range of addresses and who claimed it.
type Region struct {
	Start, End uint64 // inclusive; both are zero when the reader may not see addresses
	Name       string
	Depth      int // 0 for the outermost; a region is inside of the nearest one before it of lesser depth
}

// ParseRegions reads /proc/iomem or /proc/ioports (Linux kernel/resource.c, r_show).
func ParseRegions(r io.Reader) ([]Region, error) {
	return parseLines(r, "resource list", parseRegion)
}

// parseRegion reads "  000a0000-000bffff : PCI Bus 0000:00"; two spaces a level.
func parseRegion(line string) (Region, error) {
	text := strings.TrimLeft(line, " ")
	addresses, name, ok := strings.Cut(text, " : ")
	start, end, isRange := strings.Cut(addresses, "-")
	if !ok || !isRange {
		return Region{}, fmt.Errorf("want START-END : NAME, not %q", line)
	}
	r := Region{Name: name, Depth: (len(line) - len(text)) / 2}
	var err error
	if r.Start, err = strconv.ParseUint(start, 16, 64); err != nil {
		return Region{}, fmt.Errorf("start: %w", err)
	}
	if r.End, err = strconv.ParseUint(end, 16, 64); err != nil {
		return Region{}, fmt.Errorf("end: %w", err)
	}
	return r, nil
}

// Interrupt is one line of /proc/interrupts.
type Interrupt struct {
	Name   string   // the number, or the short name of one of the architecture's own, such as "NMI"
	Counts []uint64 // one for each online CPU; a single one for counters of the whole machine, such as "ERR"
	Desc   string   // chip, hardware number, trigger and actions as the kernel prints them; may be empty
}

// Total is the number of times the interrupt came, over all CPUs.
func (i Interrupt) Total() uint64 {
	var sum uint64
	for _, n := range i.Counts {
		sum += n
	}
	return sum
}

// HasAction says whether name is one of the handlers that share the interrupt: the devname of request_irq.
func (i Interrupt) HasAction(name string) bool {
	return strings.Contains(" "+i.Desc+",", " "+name+",") // they end the line, separated by ", ", behind the chip and the trigger
}

// ParseInterrupts reads /proc/interrupts (Linux kernel/irq/proc.c, show_interrupts).
func ParseInterrupts(r io.Reader) ([]Interrupt, error) {
	cpus := -1
	list, err := parseLines(r, "/proc/interrupts", func(line string) (Interrupt, error) {
		if cpus < 0 {
			cpus = len(strings.Fields(line))
			return Interrupt{}, nil
		}
		return parseInterrupt(line, cpus)
	})
	return list[min(len(list), 1):], err // without the heading
}

func parseInterrupt(line string, cpus int) (Interrupt, error) {
	name, rest, ok := strings.Cut(line, ":")
	if !ok {
		return Interrupt{}, fmt.Errorf("want a name and a colon, not %q", line)
	}
	i := Interrupt{Name: strings.TrimSpace(name)}
	rest = strings.TrimLeft(rest, " ")
	for len(i.Counts) < cpus && rest != "" {
		word, after, _ := strings.Cut(rest, " ")
		count, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			break
		}
		i.Counts = append(i.Counts, count)
		rest = strings.TrimLeft(after, " ")
	}
	if len(i.Counts) == 0 {
		return Interrupt{}, fmt.Errorf("no count in %q", line)
	}
	i.Desc = strings.TrimRight(rest, " ")
	return i, nil
}
