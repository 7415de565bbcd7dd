package procfs

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

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
