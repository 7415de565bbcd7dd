package procfs

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

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
