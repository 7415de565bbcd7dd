package guest

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// leaks is the kernel's leak detector (Documentation/dev-tools/kmemleak.rst). It takes many seconds, and few kernels have it.
type leaks struct {
	file string
	age  time.Duration // of memory, before kmemleak reports it
	code []symbol      // of the modules under test: they have no symbols any more once they are unloaded
}

type symbol struct {
	at   uint64
	name string
}

const leakFile = "/sys/kernel/debug/kmemleak"

// leakAge is a little more than MSECS_MIN_AGE (mm/kmemleak.c).
const leakAge = 5500 * time.Millisecond

// openLeaks leaves that of a machine which is in use alone: others may want what it found.
func (g *guest) openLeaks() *leaks {
	if g.here != nil {
		return nil
	}
	return openLeaks(leakFile)
}

// openLeaks clears what leaked before, and stops automatic scans. It returns nil where there is no kmemleak, or it is off.
func openLeaks(file string) *leaks {
	for _, command := range []string{"scan=off", "clear"} {
		if !write(file, command) {
			return nil
		}
	}
	return &leaks{file: file, age: leakAge}
}

func write(file, text string) bool {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err == nil
}

// loadSymbols reads the modules' functions from /proc/kallsyms.
func (l *leaks) loadSymbols(kallsyms string, modules []wire.Module) {
	if l == nil {
		return
	}
	text, _ := os.ReadFile(kallsyms) // without it, addresses are reported
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
	slices.SortStableFunc(list, func(a, b symbol) int { return cmp.Compare(a.at, b.at) })
	return list
}

// find scans after the modules are unloaded, and lists what they have leaked. The first scan only computes checksums, since
// memory that changes is in use; what two more report, when all of it is old enough, has leaked.
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
		if _, both := seen[0][at]; both && o.ofModule() {
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

type object struct {
	size   int
	frames []string // its allocation's backtrace, innermost first: "kmalloc_trace", or an address without a symbol
}

var (
	objectLine = regexp.MustCompile(`^(?:\([^)]*\) )?(0x[0-9a-f]+) \(size (\d+)\):`)
	frameLine  = regexp.MustCompile(`(?m)^    (?:\[<[^>]*>\] )?([^\s+]+)`)
)

func parseLeaks(text string) map[string]object {
	found := map[string]object{}
	for part := range strings.SplitSeq(text, "unreferenced object ") {
		head := objectLine.FindStringSubmatch(part)
		if head == nil {
			continue
		}
		var o object
		o.size, _ = strconv.Atoi(head[2])
		_, trace, _ := strings.Cut(part, "\n  backtrace")
		for _, m := range frameLine.FindAllStringSubmatch(trace, -1) {
			o.frames = append(o.frames, m[1])
		}
		found[head[1]] = o
	}
	return found
}

// ofModule reports whether unloaded code allocated the object: only the module is unloaded, and the kernel's leaks are its own.
func (o object) ofModule() bool { return slices.ContainsFunc(o.frames, isUnloaded) }

func isUnloaded(frame string) bool { return strings.HasPrefix(frame, "0x") }

// allocators are the functions that allocate on behalf of others.
var allocators = regexp.MustCompile(`^_*(kmemleak|kmem_cache_alloc|kmalloc|krealloc|kzalloc|kmemdup|kstrdup|kvmalloc|kasprintf|kvasprintf|vmalloc|vzalloc|alloc_percpu|pcpu_alloc|slab_|do_kmalloc|do_kmem)`)

// origin is the innermost function that is no allocator.
func (o object) origin(code []symbol) string {
	for _, frame := range o.frames {
		if isUnloaded(frame) {
			return resolve(frame, code)
		}
		if !allocators.MatchString(frame) {
			return frame
		}
	}
	return "an unknown place"
}

// resolve returns the function of a module at an address. Init code has no symbols: it is freed once init has returned.
func resolve(frame string, code []symbol) string {
	at, err := strconv.ParseUint(strings.TrimPrefix(frame, "0x"), 16, 64)
	if err != nil || len(code) == 0 || at < code[0].at || at > code[len(code)-1].at+1<<16 {
		return "the start of a module (" + frame + ")"
	}
	i, exact := slices.BinarySearchFunc(code, at, func(s symbol, at uint64) int { return cmp.Compare(s.at, at) })
	if !exact {
		i--
	}
	return code[i].name
}
