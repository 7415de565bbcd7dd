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

// trace is a file or folder that names what a module may leave behind. Only names are read: restoring costs little more.
type trace struct {
	path string
	name func(line string) string // the thing that a line of a file names; "" for none. Nil: a folder
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

type survey struct {
	things map[string]bool // "where: name"
	tasks  map[string]bool // process numbers
	slabs  []os.DirEntry   // in slabDir
}

// takeSurvey lists all traces. One that this kernel does not have is empty.
func takeSurvey() survey {
	s := survey{things: map[string]bool{}, tasks: map[string]bool{}, slabs: list(slabDir, (*os.File).ReadDir)}
	for _, t := range traces {
		names := entries
		if t.name != nil {
			names = func(path string) []string { return lines(path, t.name) }
		}
		for _, name := range names(t.path) {
			s.things[t.path+": "+name] = true
		}
	}
	for _, name := range entries("/proc") {
		if _, err := strconv.Atoi(name); err == nil {
			s.tasks[name] = true
		} else {
			s.things["/proc: "+name] = true
		}
	}
	for _, e := range s.slabs {
		if e.IsDir() {
			s.things[slabDir+": "+e.Name()] = true
		}
	}
	return s
}

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

// retries are the waits before another look: last references are dropped late, and what goes within a second is no residue.
var retries = []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond}

func (g *guest) residue(before survey) {
	left := g.left(before)
	for i := 0; i < len(retries) && len(left) > 0; i++ {
		time.Sleep(retries[i])
		left = g.left(before)
	}
	g.sendResidue(left)
}

func (g *guest) left(before survey) []string {
	list := append(takeSurvey().since(before), g.events.left(sysDir)...)
	slices.Sort(list)
	return slices.Compact(list)
}

func (g *guest) sendResidue(things []string) {
	for _, thing := range things {
		g.send(wire.Frame{Kind: wire.KindResidue, Text: thing})
	}
}

func entries(dir string) []string { return list(dir, (*os.File).Readdirnames) }

// list is what read returns of a folder, unsorted; nothing where it cannot be read.
func list[T any](dir string, read func(*os.File, int) ([]T, error)) []T {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	all, _ := read(f, -1)
	return all
}

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
	line = strings.TrimSpace(line)
	return line[strings.LastIndexAny(line, " \t")+1:]
}

// region is a line of /proc/iomem or /proc/ioports: "  0060-0060 : keyboard".
func region(line string) string {
	if !strings.Contains(line, " : ") {
		return ""
	}
	return strings.TrimSpace(line)
}

// action is an interrupt and its handlers: "11: foo, bar". Two spaces precede the names, which contain none
// (kernel/irq/proc.c, show_interrupts). The processor's own interrupts, such as NMI, have no number.
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

// algorithm is a driver in /proc/crypto, but for instances of templates, such as hmac(sha256-generic): they are no module's.
func algorithm(line string) string {
	key, value, _ := strings.Cut(line, ":")
	if strings.TrimSpace(key) != "driver" || strings.Contains(value, "(") {
		return ""
	}
	return strings.TrimSpace(value)
}

// ownThreads come and go by themselves; a rescuer (kworker/R-NAME since 6.9, NAME before) belongs to a work queue.
var ownThreads = []string{"kworker/", "ksoftirqd/", "migration/", "cpuhp/", "rcuc/", "rcuog/", "rcuop/", "rcuos/", "idle_inject/"}

// kernelThread is the name in a stat file (proc_pid_stat(5)) of a kernel thread that somebody must have started.
func kernelThread(stat string) (name string, ok bool) {
	from, to := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')') // the name may contain both
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
	own := slices.ContainsFunc(ownThreads, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	return name, !own || strings.HasPrefix(name, "kworker/R-")
}

// slabDir has a folder for each slab cache, and links for its other names. Caches of one shape are merged into one folder
// such as :0000128; links of destroyed ones may stay (mm/slub.c, sysfs_slab_alias). So only folders count.
const slabDir = "/sys/kernel/slab"

// slabName is the name of the cache in folder id: a link to it, preferably one that is new.
func slabName(dir, id string, now, before []os.DirEntry) string {
	if !strings.HasPrefix(id, ":") {
		return id
	}
	var fresh, old []string
	for _, e := range now {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		switch {
		case err != nil || filepath.Base(target) != id:
		case slices.ContainsFunc(before, func(b os.DirEntry) bool { return b.Name() == e.Name() }):
			old = append(old, e.Name())
		default:
			fresh = append(fresh, e.Name())
		}
	}
	slices.Sort(fresh)
	slices.Sort(old)
	return slices.Concat(fresh, old, []string{id})[0]
}
