package guest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Stacks as kernels 6.1 and 7.3 showed them.
const (
	waitsInExit = "[<0>] hangs_exit+0x1c/0x40 [hangs]\n[<0>] __do_sys_delete_module+0x1b5/0x2e0\n[<0>] do_syscall_64+0x58/0xc0\n[<0>] entry_SYSCALL_64_after_hwframe+0x64/0xce"
	sleepsInIt  = "[<0>] msleep+0x29/0x40\n[<0>] stay+0x20b/0x2b0 [hangs]\n[<0>] hangs_ioctl+0x1d/0x40 [hangs]\n[<0>] __x64_sys_ioctl+0x8d/0xd0\n[<0>] do_syscall_64+0x58/0xc0\n[<0>] entry_SYSCALL_64_after_hwframe+0x64/0xce"
	sleepsToo   = "[<0>] msleep+0x29/0x40\n[<0>] stay+0x201/0x2b0 [hangs]\n[<0>] hangs_ioctl+0x1d/0x40 [hangs]\n[<0>] __x64_sys_ioctl+0x8d/0xd0\n[<0>] do_syscall_64+0x58/0xc0\n[<0>] entry_SYSCALL_64_after_hwframe+0x64/0xce"
	secondStep  = "[<0>] msleep+0x29/0x40\n[<0>] stay+0x201/0x2b0 [hangs]\n[<0>] hangs_ioctl+0x2d/0x40 [hangs]\n[<0>] __x64_sys_ioctl+0x8d/0xd0\n[<0>] do_syscall_64+0x58/0xc0\n[<0>] entry_SYSCALL_64_after_hwframe+0x64/0xce"
	loopsInIt   = "[<0>] irqentry_exit+0x1c/0x30\n[<0>] asm_sysvec_apic_timer_interrupt+0x16/0x20\n[<0>] stay+0x1f0/0x2b0 [hangs]\n[<0>] hangs_ioctl+0x1d/0x40 [hangs]\n[<0>] __x64_sys_ioctl+0x8d/0xd0\n[<0>] do_syscall_64+0x58/0xc0"
	preempted   = "[<0>] exit_to_user_mode_prepare+0x10/0x1d0\n[<0>] irqentry_exit_to_user_mode+0x5/0x30\n[<0>] asm_sysvec_apic_timer_interrupt+0x16/0x20"
)

// seen is what a fake /proc shows of a thread in one second, and what was traced in it.
type seen struct {
	pid          int // 97, if zero
	state        string
	stack        string
	runs         int
	faults       int
	user, system int
	back         bool // it returned from a system call
}

// fakeProc is a /proc with one thread of user space, 102, and one of the kernel's, and a tracefs.
type fakeProc struct {
	t     *testing.T
	dir   string
	files map[string]string // as they were written last
}

func (p *fakeProc) put(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if old, ok := p.files[name]; ok && old == text {
		return
	}
	p.files[name] = text
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *fakeProc) show(s seen) {
	p.t.Helper()
	pid := cmp.Or(s.pid, 97)
	p.put(fmt.Sprintf("proc/%d/stat", pid), "97 (a) b) S 1 97 0 0 -1 4194304 0 0 0 0 0 0 0 0 20 0")
	task := fmt.Sprintf("proc/%d/task/102/", pid)
	p.put(task+"stat", fmt.Sprintf("102 (a) b) %s 1 97 0 0 -1 4194304 %d 0 1 0 %d %d 0 0 20 0", s.state, s.faults, s.user, s.system))
	p.put(task+"status", fmt.Sprintf("Name:\ta\nvoluntary_ctxt_switches:\t%d\nnonvoluntary_ctxt_switches:\t3\n", s.runs))
	p.put(task+"stack", s.stack+"\n")
	p.put("proc/2/stat", "2 (kthreadd) D 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0")
	if s.back {
		delete(p.files, "trace/trace") // which was cleared
		p.put("trace/trace", "# tracer: nop\n             a) b-102     [000] .....    71.000000: sys_exit: NR 16 = 0\n")
	}
}

// For how long a thread stands still is known from what the kernel shows of it, second by second.
func TestWatch(t *testing.T) {
	same := func(s seen) func(int) seen { return func(int) seen { return s } }
	tests := map[string]struct {
		at     func(second int) seen
		call   bool // the thread is in finit_module or delete_module
		mute   bool // the kernel traces no system calls
		still  int  // seconds, after 31
		report string
	}{
		"waits in exit":                        {at: same(seen{pid: 1, state: "D", stack: waitsInExit}), call: true, still: 30, report: "asleep"},
		"can be interrupted, but nobody will":  {at: same(seen{pid: 1, state: "S", stack: waitsInExit}), call: true, still: 30, report: "asleep"},
		"another thread of PID 1 waits":        {at: same(seen{pid: 1, state: "D", stack: waitsInExit}), still: 30, report: "asleep"},
		"a spec waits in the kernel":           {at: same(seen{state: "D", stack: sleepsInIt}), still: 30, report: "asleep"},
		"a spec waits, and can be interrupted": {at: same(seen{state: "S", stack: sleepsInIt})},
		"a spec polls in one system call": {at: func(n int) seen {
			return seen{state: "D", stack: []string{sleepsInIt, sleepsToo}[n%2], runs: 50 * n, user: n / 3, system: n / 4}
		}, still: 28, report: "awake"},
		"it polls where nothing is traced": {at: func(n int) seen { return seen{state: "D", stack: sleepsInIt, runs: 50 * n} }, mute: true},
		"a spec makes a call that sleeps, again and again": {at: func(n int) seen {
			return seen{state: "D", stack: sleepsInIt, runs: 50 * n, back: true}
		}, still: 0},
		"a spec makes a long call, again and again": {at: func(n int) seen {
			return seen{state: "D", stack: sleepsInIt, runs: 50 * n, back: n%7 == 0}
		}, still: 0},
		"a driver goes from step to step": {at: func(n int) seen {
			return seen{state: "D", stack: []string{sleepsInIt, secondStep}[n/4%2], runs: 50 * n}
		}, still: 0},
		"a sleep of 20 s comes to its end, and another begins": {at: func(n int) seen {
			return seen{pid: 1, state: "D", stack: sleepsInIt, runs: n / 20}
		}, call: true, still: 10, report: "asleep"},
		"an init polls": {at: func(n int) seen { return seen{pid: 1, state: "D", stack: sleepsInIt, runs: n} }, call: true, still: 30, report: "awake"},
		"a spec loops":  {at: func(n int) seen { return seen{state: "R", stack: loopsInIt, runs: n, user: 7, system: 90 * n} }, still: 28, report: "awake"},
		"an init loops": {at: func(n int) seen { return seen{pid: 1, state: "R", stack: loopsInIt, runs: n} }, call: true, still: 30, report: "awake"},
		"another CPU loops": {at: func(n int) seen {
			return seen{state: "R", user: 5 + n/10, system: 90 * n}
		}, still: 28, report: "awake"},
		"an init loops on another CPU":             {at: same(seen{pid: 1, state: "R"}), call: true, still: 30, report: "awake"},
		"a suite computes":                         {at: func(n int) seen { return seen{state: "R", stack: preempted, runs: n, user: 60 * n, system: 3 * n} }},
		"a suite computes, on a host that is busy": {at: func(n int) seen { return seen{state: "R", stack: preempted, runs: n, user: 2 * n} }},
		"a suite computes on another CPU":          {at: func(n int) seen { return seen{state: "R", user: 99 * n, system: n / 9} }},
		"a suite waits for pages":                  {at: func(n int) seen { return seen{state: "D", stack: sleepsInIt, runs: n, faults: n} }},
		"PID 1 works":                              {at: func(n int) seen { return seen{pid: 1, state: "R", stack: loopsInIt, runs: n} }},
		"PID 1 reads a disk":                       {at: func(n int) seen { return seen{pid: 1, state: "D", stack: loopsInIt, runs: n} }},
		"a suite is idle":                          {at: same(seen{state: "S", stack: preempted})},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := &fakeProc{t, t.TempDir(), map[string]string{}}
			if !test.mute {
				p.put("trace/"+sysExit, "")
				p.put("trace/trace", "")
			}
			var reports []string
			w := watch{proc: filepath.Join(p.dir, "proc"), patience: 12 * time.Second, returns: returns{dir: filepath.Join(p.dir, "trace")}, report: func(l look, sleeping bool) {
				how := map[bool]string{true: "asleep", false: "awake"}[sleeping]
				if reports = append(reports, how); l.tid != 102 {
					t.Errorf("thread %d is reported", l.tid)
				}
			}}
			if test.call {
				calls.Store(102, nil)
				defer calls.Delete(102)
			}
			for second := range 31 {
				p.show(test.at(second))
				w.beat(time.Duration(second) * time.Second)
			}
			if got := int(w.still.Load() / 1000); got != test.still {
				t.Errorf("it stands still for %d s, want %d", got, test.still)
			}
			if got := strings.Join(reports, " "); got != test.report {
				t.Errorf("it was reported %q, want %q", got, test.report)
			}
		})
	}
}
