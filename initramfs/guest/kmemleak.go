package guest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// leaks is the kernel's own search for memory that nothing points to (Documentation/dev-tools/kmemleak.rst). It takes
// many seconds, and few kernels have it.
type leaks struct {
	file string
	age  time.Duration // of memory, before the search takes it for lost
	code []symbol      // of the modules under test, which have no names any more once they are gone
}

// symbol is a function and where it begins.
type symbol struct {
	at   uint64
	name string
}

const leakFile = "/sys/kernel/debug/kmemleak"

// leakAge is a little more than MSECS_MIN_AGE (mm/kmemleak.c).
const leakAge = 5500 * time.Millisecond

// openLeaks forgets what was lost before, and keeps the kernel from searching by itself. It is nil where there is no
// such search, or it is switched off.
func openLeaks(file string) *leaks {
	for _, command := range []string{"scan=off", "clear"} {
		if !write(file, command) {
			return nil
		}
	}
	return &leaks{file: file, age: leakAge}
}

// write writes to a file that is there.
func write(file, text string) bool {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err == nil
}

// learn keeps the names of the modules' functions, from /proc/kallsyms.
func (l *leaks) learn(kallsyms string, modules []wire.Module) {
	if l == nil {
		return
	}
	text, _ := os.ReadFile(kallsyms) // without it, functions are told by their addresses
	l.code = moduleSymbols(string(text), modules)
}

// moduleSymbols reads lines such as "ffffffffc0001000 t fifo_open\t[fifo]", in the order of addresses.
func moduleSymbols(kallsyms string, modules []wire.Module) (list []symbol) {
	for line := range strings.Lines(kallsyms) {
		fields := strings.Fields(line)
		if len(fields) != 4 || !slices.ContainsFunc(modules, func(m wire.Module) bool { return fields[3] == "["+m.Name+"]" }) {
			continue
		}
		if at, err := strconv.ParseUint(fields[0], 16, 64); err == nil && at > 0 {
			list = append(list, symbol{at, fields[2] + " " + fields[3]})
		}
	}
	slices.SortStableFunc(list, func(a, b symbol) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	return list
}

// find searches after the modules are gone, and lists the modules' own losses. The first search only learns what memory
// holds, since what changes is in use; what two more agree on, when all of it is old enough, is lost.
func (l *leaks) find() []string {
	if l == nil || !write(l.file, "scan") {
		return nil
	}
	time.Sleep(l.age)
	var seen [2]map[string]object
	for i := range seen {
		if !write(l.file, "scan") {
			return nil
		}
		text, err := os.ReadFile(l.file)
		if err != nil {
			return nil
		}
		seen[i] = parseLeaks(string(text))
	}
	count := map[string]int{}
	for at, o := range seen[1] {
		if _, both := seen[0][at]; both && o.modules() {
			count[fmt.Sprintf("%d bytes from %s", o.size, o.origin(l.code))]++
		}
	}
	var list []string
	for text, n := range count {
		list = append(list, fmt.Sprintf("kmemleak: %d × %s", n, text))
	}
	slices.Sort(list)
	return list
}

// object is memory that was found to be lost.
type object struct {
	size   int
	frames []string // who asked for it, innermost first: "kmalloc_trace", or an address where the function is gone
}

var (
	objectLine = regexp.MustCompile(`^unreferenced object (?:\([^)]*\) )?(0x[0-9a-f]+) \(size (\d+)\):`)
	frameLine  = regexp.MustCompile(`^    (?:\[<[^>]*>\] )?(\S+)`)
)

// parseLeaks reads the file of the search. What it finds goes by its address.
func parseLeaks(text string) map[string]object {
	found := map[string]object{}
	at, tracing := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := objectLine.FindStringSubmatch(line); m != nil {
			at, tracing = m[1], false
			size, _ := strconv.Atoi(m[2])
			found[at] = object{size: size}
			continue
		}
		if strings.HasPrefix(line, "  backtrace") {
			tracing = at != ""
			continue
		}
		if m := frameLine.FindStringSubmatch(line); tracing && m != nil {
			name, _, _ := strings.Cut(m[1], "+")
			o := found[at]
			o.frames = append(o.frames, name)
			found[at] = o
		}
	}
	return found
}

// modules says whether code asked for the object that is gone: that of a module under test, for no other goes. What
// the kernel itself loses is no module's fault.
func (o object) modules() bool { return slices.ContainsFunc(o.frames, isGone) }

func isGone(frame string) bool { return strings.HasPrefix(frame, "0x") }

// allocators are the functions that ask for memory on behalf of others.
var allocators = regexp.MustCompile(`^_*(kmemleak|kmem_cache_alloc|kmalloc|krealloc|kzalloc|kmemdup|kstrdup|kvmalloc|kasprintf|kvasprintf|vmalloc|vzalloc|alloc_percpu|pcpu_alloc|slab_|do_kmalloc|do_kmem)`)

// origin is the first function that asked for memory of its own accord.
func (o object) origin(code []symbol) string {
	for _, frame := range o.frames {
		if isGone(frame) {
			return resolve(frame, code)
		}
		if !allocators.MatchString(frame) {
			return frame
		}
	}
	return "an unknown place"
}

// resolve names the function of a module that an address lies in; code of a module's start is gone before all others.
func resolve(frame string, code []symbol) string {
	at, err := strconv.ParseUint(strings.TrimPrefix(frame, "0x"), 16, 64)
	if err != nil || len(code) == 0 || at < code[0].at || at > code[len(code)-1].at+1<<16 {
		return "the start of a module (" + frame + ")"
	}
	i, exact := slices.BinarySearchFunc(code, at, func(s symbol, at uint64) int {
		switch {
		case s.at < at:
			return -1
		case s.at > at:
			return 1
		}
		return 0
	})
	if !exact {
		i--
	}
	return code[i].name
}
