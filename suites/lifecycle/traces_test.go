package lifecycle

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/modmatrix/modmatrix/suites"
	"github.com/modmatrix/modmatrix/suites/procfs"
)

// places are patterns of what a module may add while it is loaded, and must remove when it is unloaded.
var places = []string{
	"/dev/*",
	"/proc/[^0-9]*", "/proc/driver/*", "/proc/fs/*",
	"/sys/block/*", "/sys/bus/*", "/sys/bus/*/devices/*", "/sys/bus/*/drivers/*",
	"/sys/class/*", "/sys/class/*/*", "/sys/devices/*", "/sys/devices/virtual/*",
	"/sys/firmware/*", "/sys/fs/*", "/sys/kernel/*", "/sys/kernel/debug/*", "/sys/module/*",
}

// traces are the names of everything there.
func traces() []string {
	GinkgoHelper()
	var seen []string
	for _, place := range places {
		found, err := filepath.Glob(place)
		Expect(err).NotTo(HaveOccurred())
		seen = append(seen, found...)
	}
	for _, list := range []string{"misc", "filesystems"} {
		text, err := suites.ReadProc(list)
		Expect(err).NotTo(HaveOccurred())
		for line := range strings.SplitSeq(text, "\n") {
			seen = append(seen, "/proc/"+list+": "+strings.TrimSpace(line))
		}
	}
	for name, read := range map[string]func() ([]procfs.Region, error){"iomem": suites.ProcIOMem, "ioports": suites.ProcIOPorts} {
		regions, err := read()
		Expect(err).NotTo(HaveOccurred())
		for _, region := range regions {
			seen = append(seen, fmt.Sprintf("/proc/%s: %x-%x %s", name, region.Start, region.End, region.Name))
		}
	}
	return seen
}

// deviceNumbers are the registered major numbers, with their names. A dynamic number that was not released shows when the
// next load gets another one.
func deviceNumbers() []string {
	GinkgoHelper()
	devices, err := suites.ProcDevices()
	Expect(err).NotTo(HaveOccurred())
	var numbers []string
	for _, device := range devices.Char {
		numbers = append(numbers, fmt.Sprintf("char %d %s", device.Major, device.Name))
	}
	for _, device := range devices.Block {
		numbers = append(numbers, fmt.Sprintf("block %d %s", device.Major, device.Name))
	}
	return numbers
}

// added are the names in after that before does not hold, sorted.
func added(before, after []string) []string {
	slices.Sort(before)
	var more []string
	for _, name := range after {
		if _, found := slices.BinarySearch(before, name); !found {
			more = append(more, name)
		}
	}
	slices.Sort(more)
	return more
}
