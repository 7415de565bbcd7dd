package judge

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// Taint bits (Linux include/linux/panic.h, Documentation/admin-guide/tainted-kernels.rst) that no well-behaved module
// sets: forced load, forced unload, machine check, bad page, died, warned, soft lockup. The net under the console:
// a fault whose lines were lost still leaves its bit.
const badTaints = 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<7 | 1<<9 | 1<<14

const taintLetters = "PFSRMBUDAWCIOELKXTNJ"

func badTaint(e Evidence) (verdict, bool) {
	before := e.Guest.Taints[results.StageBoot] | excused(e.Splats)
	for _, stage := range []results.Stage{results.StageLoad, results.StageTest, results.StageUnload, results.StageShutdown} {
		after, read := e.Guest.Taints[stage]
		if delta := after &^ before & badTaints; read && delta != 0 {
			reason := "the kernel is tainted " + strings.Join(letters(delta), "") + ", and the console does not say by what"
			return verdict{results.Fail, stage, results.CodeTaint, reason}, true
		}
	}
	return verdict{}, false
}

// excused are the taint bits of splats that are not held against the module.
func excused(splats []Splat) (bits uint64) {
	for _, s := range splats {
		if s.Stage == results.StageBoot || !s.Expected && !s.Noise {
			continue
		}
		switch s.Kind {
		case console.KindSoftLockup:
			bits |= 1<<14 | 1<<9
		case console.KindBadPage:
			bits |= 1 << 5
		case console.KindOops, console.KindBug:
			bits |= 1<<7 | 1<<9
		default:
			bits |= 1 << 9
		}
	}
	return bits
}

func letters(mask uint64) []string {
	out := []string{}
	for m := mask; m != 0; m &= m - 1 {
		if bit := bits.TrailingZeros64(m); bit < len(taintLetters) {
			out = append(out, taintLetters[bit:bit+1])
		} else {
			out = append(out, fmt.Sprint(bit))
		}
	}
	return out
}

func taint(g *Guest) *results.Taint {
	before, ok := g.Taints[results.StageBoot]
	if !ok {
		return nil
	}
	after := before
	for _, stage := range results.Stages {
		after |= g.Taints[stage] // bits are never cleared
	}
	return &results.Taint{Before: before, After: after, Delta: letters(after &^ before)}
}
