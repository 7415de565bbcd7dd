package guest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results/wire"
)

// stuckAt reports a thread that stands still, with its stack.
func (g *guest) stuckAt(l look, sleeping bool) {
	f := wire.Frame{Kind: wire.KindStuck, Stage: *g.stageName.Load(), Text: whereabouts("/proc", l.pid, l.tid), Stack: l.stack}
	if !sleeping {
		f.Count = 1
	}
	g.send(f)
}

// stuckSuite reports where a suite's process is that exceeds its time, and has the kernel print the stacks of everything.
func (g *guest) stuckSuite(pid int) {
	g.send(wire.Frame{Kind: wire.KindStuck, Stage: *g.stageName.Load(), Text: stuckProcess("/proc", pid)})
	keys := "lwt"
	if g.here != nil {
		keys = "lw" // the threads of a whole system would fill its log
	} else {
		_ = os.WriteFile("/proc/sys/kernel/sysrq", []byte("1"), 0)
	}
	for _, key := range keys { // processors, blocked threads, all threads (Documentation/admin-guide/sysrq.rst)
		_ = os.WriteFile("/proc/sysrq-trigger", []byte(string(key)), 0)
	}
}

// showProcessors has a panic show the stacks of all processors (Linux Documentation/admin-guide/sysctl/kernel.rst, panic_sys_info and the
// older panic_print): the host asks a guest that is silent by an interrupt that makes one of them panic, and another may be at fault.
func showProcessors() {
	if runtime.NumCPU() > 1 && os.WriteFile("/proc/sys/kernel/panic_sys_info", []byte("all_bt"), 0) != nil {
		_ = os.WriteFile("/proc/sys/kernel/panic_print", []byte("64"), 0)
	}
}

const maxFrames = 16

// whereabouts says in one line where in the kernel a thread is: "fifo.test (71): fifo_read [fifo] <- vfs_read <- …".
func whereabouts(proc string, pid, tid int) string {
	dir := filepath.Join(proc, strconv.Itoa(pid), "task", strconv.Itoa(tid))
	stack := strings.Join(parseStack(readText(dir, "stack")), " <- ")
	place := cmp.Or(stack, strings.TrimPrefix(readText(dir, "wchan"), "0"), threadState(readText(dir, "status")), "gone")
	return fmt.Sprintf("%s (%d): %s", readText(dir, "comm"), tid, place)
}

// parseStack returns the functions of a stack file, innermost first: "[<0>] msleep+0x2d/0x40", a module's with " [fifo]".
func parseStack(text string) (functions []string) {
	for line := range strings.Lines(text) {
		_, line, ok := strings.Cut(line, "] ")
		name, module, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ = strings.Cut(name, "+")
		if !ok || name == "" {
			continue
		}
		if len(functions) == maxFrames {
			return append(functions, "…")
		}
		functions = append(functions, strings.TrimSpace(name+" "+module))
	}
	return functions
}

// threadState is the state in a status file, such as "D (disk sleep)".
func threadState(status string) string {
	for line := range strings.Lines(status) {
		if state, ok := strings.CutPrefix(line, "State:"); ok {
			return strings.TrimSpace(state)
		}
	}
	return ""
}

// stuckProcess says where a process hangs: its thread in uninterruptible sleep, else one that runs, else any.
func stuckProcess(proc string, pid int) string {
	worst, rank := pid, -2
	dir := filepath.Join(proc, strconv.Itoa(pid), "task")
	for _, tid := range numbered(dir) {
		r := -1
		if state := threadState(readText(filepath.Join(dir, strconv.Itoa(tid)), "status")); state != "" {
			r = strings.IndexByte("RD", state[0])
		}
		if r > rank || r == rank && tid < worst {
			worst, rank = tid, r
		}
	}
	return whereabouts(proc, pid, worst)
}
