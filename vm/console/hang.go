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
