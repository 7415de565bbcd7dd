package guest

import (
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// taint tells the kernel's taint as it is after a stage.
func (g *guest) taint(stage string) {
	text, err := os.ReadFile("/proc/sys/kernel/tainted")
	if err != nil {
		g.fail("read taint: %v", err)
		return
	}
	bits, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		g.fail("read taint: %v", err)
		return
	}
	g.send(wire.Frame{Kind: wire.KindTaint, Stage: stage, Taint: bits})
}

// traces are files of which each line, and folders of which each entry, is a thing that a module may leave behind.
var traces = []struct {
	path  string
	field int // the field of the line that names the thing; below zero takes the whole line
}{
	{"/proc/modules", 0},
	{"/proc/devices", -1},
	{"/proc/misc", -1},
	{"/proc/", -1},
	{"/sys/module/", -1},
	{"/sys/class/", -1},
	{"/sys/bus/", -1},
	{"/sys/kernel/debug/", -1},
}

// survey lists all traces that are there.
func survey() map[string]bool {
	found := map[string]bool{}
	for _, t := range traces {
		for _, thing := range things(t.path, t.field) {
			found[strings.TrimSuffix(t.path, "/")+": "+thing] = true
		}
	}
	return found
}

// things reads one of the traces. What this kernel does not have holds nothing.
func things(path string, field int) (names []string) {
	if strings.HasSuffix(path, "/") {
		entries, _ := os.ReadDir(path)
		for _, e := range entries {
			if _, err := strconv.Atoi(e.Name()); err != nil { // a process in /proc is no trace
				names = append(names, e.Name())
			}
		}
		return names
	}
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if field < 0 {
			names = append(names, strings.Join(fields, " "))
		} else if field < len(fields) {
			names = append(names, fields[field])
		}
	}
	return names
}

// residue tells of traces that were not there before the modules were loaded. What goes away by itself within a second
// is no residue: devices are released when their last reference is, which may be on its way.
func (g *guest) residue(before map[string]bool) {
	left := added(before, survey())
	for i := 0; len(left) > 0 && i < 10; i++ {
		time.Sleep(100 * time.Millisecond)
		left = added(before, survey())
	}
	for _, thing := range left {
		g.send(wire.Frame{Kind: wire.KindResidue, Text: thing})
	}
}

// added lists what is in after and was not in before.
func added(before, after map[string]bool) (list []string) {
	for thing := range after {
		if !before[thing] {
			list = append(list, thing)
		}
	}
	sort.Strings(list)
	return list
}
