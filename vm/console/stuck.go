package console

import "regexp"

// whoseRE is the line with which the stack of the next processor or task begins: after an NMI, "l" and "w" of sysrq, and a
// panic (Linux lib/nmi_backtrace.c, kernel/sched/core.c, kernel/panic.c).
var whoseRE = regexp.MustCompile(`^(?:CPU: \d+ |NMI backtrace for cpu \d+|task:|Kernel panic - not syncing)`)

// Places answers where in modules the processors and tasks were whose stacks log shows, one frame for each stack that
// reaches into a module, in the order of log: the innermost that is reliable. It is for a log of stacks that were asked
// for, not of faults: which of them anybody waits for it cannot tell.
func Places(log []byte) []Frame {
	var out []Frame
	told := false
	for pos := 0; pos < len(log); {
		sp := readLine(log, pos)
		pos = max(nextLine(log, sp.end), sp.start+1)
		switch f, _, ok := readFrame(sp.Text); {
		case sp.User:
		case whoseRE.MatchString(sp.Text):
			told = false
		case ok && f.Reliable && f.Module != "" && !told:
			out = append(out, f)
			told = true
		}
		if len(out) == maxFrames {
			break
		}
	}
	return out
}
