package guest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// watch looks at every thread of user space once a pulse, and knows for how long each has made no progress. Slowness is
// progress, however slow. A thread stands still that
//
//   - sleeps uninterruptibly, or in whatever way in a call by which a module comes or goes, and has not run since, or
//   - runs in the kernel, or wakes only to go back to sleep, in one place and in one system call all the time.
//
// The host decides after how long that is a hang: it knows for how much of the time the guest had a processor.
type watch struct {
	proc     string
	self     int                          // the process whose descendants are looked at; zero: PID 1, and all of them
	patience time.Duration                // after which a thread that stands still is reported, once; zero: never
	report   func(at look, sleeping bool) // sleeping: it has not run even once meanwhile
	returns  returns

	still   atomic.Int64 // how long that thread has stood still which did so longest, in milliseconds
	threads map[int]*streak
}

// streak is the time in which a thread stands still.
type streak struct {
	since       time.Duration
	first, last look
	traced      bool // its returns from system calls are, since then
	reported    bool
	asleep      bool // when it was reported: if it wakes after so long, that is progress
}

// tracedAfter is for how long a thread that runs seems to stand still before its returns from system calls are traced.
const tracedAfter = 2 * time.Second

// beat looks once at every thread, at the time now.
func (w *watch) beat(now time.Duration) {
	returned, known := w.returns.read()
	seen, longest := map[int]*streak{}, time.Duration(0)
	var traced []int
	for _, l := range w.looks() {
		s := w.threads[l.tid]
		if s == nil || l.moved(s.last) || s.asleep && !l.slept(s.first) || s.traced && (returned[l.tid] || !known) {
			s = &streak{since: now, first: l, last: l}
		}
		if l.stack == "" { // it runs on another processor
			l.stack = s.last.stack
		}
		s.last = l
		ran := !l.slept(s.first)
		if ran && !l.call && !s.traced && now-s.since >= tracedAfter {
			s.traced, s.since = true, now
		}
		if s.traced {
			traced = append(traced, l.tid)
		}
		seen[l.tid] = s
		longest = max(longest, now-s.since)
		if w.patience > 0 && now-s.since >= w.patience && !s.reported {
			s.reported, s.asleep = true, !ran
			w.report(l, s.asleep)
		}
	}
	w.returns.trace(traced)
	w.threads = seen
	w.still.Store(longest.Milliseconds())
}

// looks returns what is seen of the threads that may stand still.
func (w *watch) looks() (all []look) {
	for _, pid := range w.watched() {
		for _, tid := range numbered(filepath.Join(w.proc, strconv.Itoa(pid), "task")) {
			dir := filepath.Join(w.proc, strconv.Itoa(pid), "task", strconv.Itoa(tid))
			stat, ok := readStat(dir)
			l := look{stat: stat, pid: pid, tid: tid, own: pid == max(w.self, 1)}
			_, l.call = calls.Load(tid)
			if !ok || !l.suspect() {
				continue
			}
			l.runs, l.stack = switches(readText(dir, "status")), readText(dir, "stack")
			all = append(all, l)
		}
	}
	return all
}

// watched lists the processes of user space, but for those that are none of ours.
func (w *watch) watched() (pids []int) {
	parents := map[int]int{}
	for _, pid := range numbered(w.proc) {
		if stat, ok := readStat(filepath.Join(w.proc, strconv.Itoa(pid))); ok && !stat.kernel {
			pids = append(pids, pid)
			parents[pid] = stat.parent
		}
	}
	if w.self <= 1 {
		return pids
	}
	return slices.DeleteFunc(pids, func(pid int) bool { return pid != w.self && !descends(parents, pid, w.self) })
}

// descends reports whether pid has ancestor among its parents.
func descends(parents map[int]int, pid, ancestor int) bool {
	for range parents { // no chain is longer
		parent, ok := parents[pid]
		if !ok || parent <= 0 {
			return false
		}
		if parent == ancestor {
			return true
		}
		pid = parent
	}
	return false
}

// look is what is seen of a thread at one moment.
type look struct {
	stat
	pid, tid int
	own      bool   // it is of this very process
	runs     uint64 // how often a processor was taken from it, or given up
	stack    string // a line for each function, innermost first; empty where it runs right now
	call     bool   // it is in finit_module or delete_module
}

// suspect reports whether the thread may stand still. An interruptible sleep is for the suite's own timeouts to end; but
// nobody interrupts those calls.
func (l look) suspect() bool {
	return l.state == 'D' || l.call && l.state == 'S' || l.state == 'R' && (l.call || !l.own)
}

// slept reports whether the thread has not run at all since the look before.
func (l look) slept(before look) bool {
	return l.runs == before.runs && l.state != 'R' && before.state != 'R'
}

// moved reports whether the thread made progress since the look before, as far as that shows without a trace.
func (l look) moved(before look) bool {
	if l.slept(before) {
		return false
	}
	return l.own && !l.call || l.faults != before.faults || l.computes(before) || !samePlace(l, before)
}

// inSyscall are words in the stack of a thread that is in a system call, on any architecture.
var inSyscall = regexp.MustCompile(`syscall|SYSCALL|system_call|_svc|ecall`)

// computes reports whether the thread ran in user mode. Where a stack is there to see, that is certain; the times that the kernel
// reports are estimates, in the proportion of all that it counted so far (Linux kernel/sched/cputime.c, cputime_adjust).
func (l look) computes(before look) bool {
	switch {
	case l.state != 'R' || l.call:
		return false
	case l.stack != "":
		return !inSyscall.MatchString(l.stack)
	}
	return l.user-before.user > l.system-before.system
}

// samePlace compares two stacks from the innermost function of a module on, or from the innermost of all. Where in that function a
// thread was is chance, as a loop sleeps in more than one place; and what runs right now shows no stack.
func samePlace(a, b look) bool {
	return a.stack == "" || b.stack == "" || place(a.stack) == place(b.stack)
}

func place(stack string) string {
	from := 0
	for line := range strings.SplitSeq(stack, "\n") {
		if strings.HasSuffix(line, "]") {
			break
		}
		from += len(line) + 1
	}
	if from >= len(stack) {
		from = 0
	}
	inner, callers, _ := strings.Cut(stack[from:], "\n")
	inner, _, _ = strings.Cut(inner, "+")
	return inner + "\n" + callers
}

// stat is what a stat file of a process or thread says.
type stat struct {
	state        byte
	faults       uint64 // of pages, of both sorts
	user, system uint64 // the time in each mode, in clock ticks
	kernel       bool   // it is a thread of the kernel's
	parent       int    // the process that it is a child of
}

// pfKthread is PF_KTHREAD (Linux include/linux/sched.h).
const pfKthread = 0x00200000

// readStat reads dir/stat: "71 (fifo.test) D 1 …", of which the name may hold anything.
func readStat(dir string) (stat, bool) {
	text := readText(dir, "stat")
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 13 {
		return stat{}, false
	}
	field := func(i int) uint64 { // as proc_pid_stat(5) counts them
		n, _ := strconv.ParseUint(f[i-3], 10, 64)
		return n
	}
	return stat{state: f[0][0], faults: field(10) + field(12), user: field(14), system: field(15), kernel: field(9)&pfKthread != 0, parent: int(field(4))}, true
}

// switches adds up both counts of context switches in a status file.
func switches(status string) (n uint64) {
	for line := range strings.Lines(status) {
		if name, count, _ := strings.Cut(line, ":"); strings.HasSuffix(name, "voluntary_ctxt_switches") {
			one, _ := strconv.ParseUint(strings.TrimSpace(count), 10, 64)
			n += one
		}
	}
	return n
}

// readText reads a file of a thread. Not every kernel has each, and the thread may be gone: then it is empty.
func readText(dir, name string) string {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text))
}

// numbered lists the entries of dir that are numbers.
func numbered(dir string) (list []int) {
	for _, name := range entries(dir) {
		if n, err := strconv.Atoi(name); err == nil {
			list = append(list, n)
		}
	}
	return list
}
