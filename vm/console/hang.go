package console

import "slices"

// hangs are the kinds in which the innermost frame is chance: the CPU was interrupted somewhere in a loop.
var hangs = map[string]bool{KindStall: true, KindSoftLockup: true, KindHardLockup: true}

var (
	interruptNames = newNames("interrupt") // of a watchdog
	anchorNames    = newNames("anchor")    // below which a piece of work begins
)

// maxInterrupt is how deep in a trace the interrupt that noticed a hang may lie.
const maxInterrupt = 40

// withTop returns the traces with the place where the processor was before the first, whose innermost function may have no frame:
// a leaf that a trace by stack frames leaves out.
func (t *traces) withTop() []run {
	if len(t.runs) == 0 || !t.fromPC || slices.ContainsFunc(t.runs[0].frames, func(f Frame) bool { return f.Function == t.top.Function }) {
		return t.runs
	}
	first := run{marked: t.runs[0].marked, frames: append([]Frame{t.top}, t.runs[0].frames...)}
	return append([]run{first}, t.runs[1:]...)
}

// belowAnchor finds the work that a hanging CPU was at: in the first trace with an anchor, the frames from the
// one that the anchor called. The frames of the interrupt that noticed the hang are left out.
func belowAnchor(runs []run) []Frame {
	for _, r := range runs {
		frames := interrupted(r.frames)
		for i, f := range frames {
			if !f.Reliable || !anchorNames.has(f) {
				continue
			}
			if called := keep(frames[:i]); len(called) > 0 {
				return append(called[len(called)-1:], keep(frames[i:])...)
			}
		}
	}
	return nil
}

func interrupted(frames []Frame) []Frame {
	return frames[1+slices.IndexFunc(frames[:min(len(frames), maxInterrupt)], interruptNames.has):]
}
