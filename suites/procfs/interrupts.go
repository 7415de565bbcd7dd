package procfs

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

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
