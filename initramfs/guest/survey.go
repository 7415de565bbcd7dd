package guest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// trace is a file of which lines, or a folder of which entries, name things that a module may leave behind. Only names
// are read: a survey must not cost more than a clone's restore does.
type trace struct {
	path string
	name func(line string) string // what a line of a file names; "" for nothing. Nil: a folder
}

var traces = []trace{
	{"/proc/modules", first},
	{"/proc/devices", whole},
	{"/proc/misc", whole},
	{"/proc/interrupts", action},
	{"/proc/iomem", region},
	{"/proc/ioports", region},
	{"/proc/filesystems", last},
	{"/proc/crypto", algorithm},
	{"/proc/fs", nil}, {"/proc/driver", nil}, {"/proc/bus", nil}, {"/proc/net", nil},
	{"/proc/sys", nil}, {"/proc/sys/dev", nil}, {"/proc/sys/fs", nil}, {"/proc/sys/kernel", nil}, {"/proc/sys/net", nil}, {"/proc/sys/vm", nil},
	{"/sys/module", nil}, {"/sys/class", nil}, {"/sys/bus", nil}, {"/sys/fs", nil},
	{"/sys/kernel", nil}, {"/sys/kernel/config", nil}, {"/sys/kernel/debug", nil}, {"/sys/kernel/tracing/events", nil},
}

// survey is all that was there at one moment.
type survey struct {
	things map[string]bool // "where: name"
	tasks  map[string]bool // process numbers
	slabs  []os.DirEntry   // of slabDir
}

// lookAround lists all traces that are there. What this kernel does not have holds nothing.
func lookAround() survey {
	s := survey{things: map[string]bool{}, tasks: map[string]bool{}}
	for _, t := range traces {
		if t.name == nil {
			s.add(t.path, entries(t.path))
		} else {
			s.add(t.path, lines(t.path, t.name))
		}
	}
	for _, name := range entries("/proc") {
		if _, err := strconv.Atoi(name); err == nil {
			s.tasks[name] = true
		} else {
			s.things["/proc: "+name] = true
		}
	}
	s.slabs = slabEntries(slabDir)
	for _, e := range s.slabs {
		if e.IsDir() {
			s.things[slabDir+": "+e.Name()] = true
		}
	}
	return s
}

func (s survey) add(where string, names []string) {
	for _, name := range names {
		s.things[where+": "+name] = true
	}
}

// since lists what is there and was not before.
func (s survey) since(before survey) (list []string) {
	for thing := range s.things {
		if before.things[thing] {
			continue
		}
		if id, ok := strings.CutPrefix(thing, slabDir+": "); ok {
			thing = slabDir + ": " + slabName(slabDir, id, s.slabs, before.slabs)
		}
		list = append(list, thing)
	}
	for pid := range s.tasks {
		if before.tasks[pid] {
			continue
		}
		stat, _ := os.ReadFile("/proc/" + pid + "/stat") // none for a process that has ended by now
		if name, ok := kernelThread(string(stat)); ok {
			list = append(list, "kernel thread: "+name)
		}
	}
	slices.Sort(list)
	return list
}

// lookAgain are the times to wait before another look at what is left: devices are released when their last
// reference is, which may be on its way. What goes away by itself within a second is no residue.
var lookAgain = []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond}

// residue tells of what was not there before the modules were loaded.
func (g *guest) residue(before survey) {
	left := g.left(before)
	for _, wait := range lookAgain {
		if len(left) == 0 {
			return
		}
		time.Sleep(wait)
		left = g.left(before)
	}
	g.tellResidue(left)
}

// left lists what came since before, each thing once.
func (g *guest) left(before survey) []string {
	list := append(lookAround().since(before), g.events.left(sysDir)...)
	slices.Sort(list)
	return slices.Compact(list)
}

func (g *guest) tellResidue(things []string) {
	for _, thing := range things {
		g.send(wire.Frame{Kind: wire.KindResidue, Text: thing})
	}
}

func entries(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return names
}

// lines gives what the lines of a file name.
func lines(path string, name func(string) string) (names []string) {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if n := name(line); n != "" {
			names = append(names, n)
		}
	}
	return names
}

func whole(line string) string { return strings.Join(strings.Fields(line), " ") }

func first(line string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return name
}

func last(line string) string {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return ""
	}
	return fields[len(fields)-1]
}

// region is a claim of /proc/iomem or /proc/ioports: "  0060-0060 : keyboard".
func region(line string) string {
	if !strings.Contains(line, " : ") {
		return ""
	}
	return strings.TrimSpace(line)
}

// action is who handles an interrupt: "11: foo, bar". Two spaces stand before the names, and none in them
// (kernel/irq/proc.c, show_interrupts). Lines of the processor's own, such as NMI, have no number.
func action(line string) string {
	number, rest, _ := strings.Cut(strings.TrimLeft(line, " "), ":")
	if _, err := strconv.Atoi(number); err != nil {
		return ""
	}
	rest = strings.TrimRight(rest, "\n")
	at := strings.LastIndex(rest, "  ")
	if at < 0 || at+2 == len(rest) {
		return ""
	}
	return number + ": " + rest[at+2:]
}

// algorithm is the driver of a cipher or its like. What the kernel puts together of others when somebody asks for it,
// such as hmac(sha256-generic), stays for the next one to ask, and is no module's.
func algorithm(line string) string {
	key, value, _ := strings.Cut(line, ":")
	if strings.TrimSpace(key) != "driver" || strings.Contains(value, "(") {
		return ""
	}
	return strings.TrimSpace(value)
}

// restless are the kernel's own threads, which come and go with the work that there is, and with processors. A rescuer,
// kworker/R-NAME since Linux 6.9 and NAME before, is none: it belongs to a work queue that somebody made.
var restless = []string{"kworker/", "ksoftirqd/", "migration/", "cpuhp/", "rcuc/", "rcuog/", "rcuop/", "rcuos/", "idle_inject/"}

// kernelThread reads the stat file of a process (proc_pid_stat(5)), and says whether it is a thread of the kernel's that
// somebody must have begun, and its name.
func kernelThread(stat string) (name string, ok bool) {
	from, to := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')') // the name may hold any of them
	if from < 0 || to < from {
		return "", false
	}
	name = stat[from+1 : to]
	fields := strings.Fields(stat[to+1:])
	if len(fields) < 7 {
		return "", false
	}
	const kthread = 0x00200000 // PF_KTHREAD (include/linux/sched.h)
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	if err != nil || flags&kthread == 0 {
		return "", false
	}
	idle := slices.ContainsFunc(restless, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	return name, !idle || strings.HasPrefix(name, "kworker/R-")
}

// slabDir holds a folder for each slab cache, and links for other names of it. Caches of one shape are merged into one
// folder such as :0000128; the links of those that were destroyed may stay (mm/slub.c, sysfs_slab_alias). So only the
// folders count.
const slabDir = "/sys/kernel/slab"

func slabEntries(dir string) []os.DirEntry {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.ReadDir(-1)
	return list
}

// slabName is the name that somebody gave to the cache in folder id: of the links to it, preferably one that is new.
func slabName(dir, id string, now, before []os.DirEntry) string {
	if !strings.HasPrefix(id, ":") {
		return id
	}
	old := map[string]bool{}
	for _, e := range before {
		old[e.Name()] = true
	}
	var fresh, stale []string
	for _, e := range now {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err != nil || filepath.Base(target) != id {
			continue
		}
		if old[e.Name()] {
			stale = append(stale, e.Name())
		} else {
			fresh = append(fresh, e.Name())
		}
	}
	slices.Sort(fresh)
	slices.Sort(stale)
	return append(append(fresh, stale...), id)[0]
}
