package guest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// patience is how long a call into the kernel may take, and what then. The zero value waits for ever.
type patience struct {
	limit time.Duration
	late  func(tid int) // of the thread that waits
}

// patience is the plan's, for the calls by which modules come and go.
func (g *guest) patience() patience {
	return patience{time.Duration(g.plan.PatienceMS) * time.Millisecond, func(tid int) {
		g.stuck(whereabouts("/proc", 1, tid))
	}}
}

// stuck reports, once in a stage, what hangs where in the kernel, and has the kernel print the stacks of everything.
func (g *guest) stuck(text string) {
	if g.reportedStuck {
		return
	}
	g.reportedStuck = true
	g.send(wire.Frame{Kind: wire.KindStuck, Stage: g.stageName, Text: text})
	_ = os.WriteFile("/proc/sys/kernel/sysrq", []byte("1"), 0)
	for _, key := range "lwt" { // processors, blocked threads, all threads (Documentation/admin-guide/sysrq.rst)
		_ = os.WriteFile("/proc/sysrq-trigger", []byte(string(key)), 0)
	}
}

const maxFrames = 16

// whereabouts says in one line where in the kernel a thread is: "fifo.test (71): fifo_read [fifo] <- vfs_read <- …".
func whereabouts(proc string, pid, tid int) string {
	dir := filepath.Join(proc, strconv.Itoa(pid), "task", strconv.Itoa(tid))
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(dir, name)) // not every kernel has each file, and the thread may be gone
		return strings.TrimSpace(string(text))
	}
	stack := strings.Join(parseStack(read("stack")), " <- ")
	place := cmp.Or(stack, strings.TrimPrefix(read("wchan"), "0"), threadState(read("status")), "gone")
	return fmt.Sprintf("%s (%d): %s", read("comm"), tid, place)
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
	for _, name := range entries(filepath.Join(proc, strconv.Itoa(pid), "task")) {
		tid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		status, _ := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "task", name, "status"))
		r := -1
		if state := threadState(string(status)); state != "" {
			r = strings.IndexByte("RD", state[0])
		}
		if r > rank || r == rank && tid < worst {
			worst, rank = tid, r
		}
	}
	return whereabouts(proc, pid, worst)
}
