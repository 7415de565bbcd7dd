package console

import (
	"regexp"
	"strings"
)

// stackRE is the first line of the stack of a processor or task: after an NMI, "l" and "w" of SysRq, and a panic
// (Linux lib/nmi_backtrace.c, kernel/sched/core.c, kernel/panic.c). Where no NMI reaches a processor it says so itself
// (drivers/tty/sysrq.c, showacpu).
var stackRE = regexp.MustCompile(`^(?:CPU: \d+ |sysrq: CPU\d+:|NMI backtrace for cpu \d+|task:|Kernel panic - not syncing)`)

// Places returns where in modules the processors and tasks were whose stacks log shows: for each stack that reaches into a
// module the innermost reliable frame there, in the order of log, at most 64. It is for stacks that were requested, not for
// faults.
func Places(log []byte) []Frame {
	var out []Frame
	found := false
	for sp := range lines(log, 0) {
		switch f, _, ok := readFrame(sp.Text); {
		case sp.User:
		case stackRE.MatchString(sp.Text):
			found = false
		case ok && f.Reliable && f.Module != "" && !found:
			out = append(out, f)
			found = true
		}
		if len(out) == maxFrames {
			break
		}
	}
	return out
}

// Stack returns the frames of a thread's stack as /proc/PID/stack shows it.
func Stack(text string) []Frame {
	var out []Frame
	for line := range strings.Lines(text) {
		if f, _, ok := readFrame(strings.TrimSpace(line)); ok {
			out = append(out, f)
		}
	}
	return out
}
