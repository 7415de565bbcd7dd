package harness

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// Each deadline is noticed when it passes, and not later, whatever the others are.
func TestWatch(t *testing.T) {
	limits := deadlines{boot: 40 * time.Second, silent: 20 * time.Second, still: 25 * time.Second, call: 30 * time.Second, whole: 100 * time.Second}
	type frame struct {
		at    int // seconds
		stage results.Stage
		calls int
		still int    // seconds
		stack string // of a stuck frame; "doze" sleeps for a set time
		ran   int
	}
	beat := func(stage results.Stage, calls, from, to int) (frames []frame) {
		for at := from; at < to; at++ {
			frames = append(frames, frame{at: at, stage: stage, calls: calls})
		}
		return frames
	}
	stands := func(stage results.Stage, calls, from, to int) (frames []frame) {
		for at := from; at < to; at++ {
			frames = append(frames, frame{at: at, stage: stage, calls: calls, still: at - from})
		}
		return frames
	}
	stuck := func(stage results.Stage, at int, stack string, ran int) []frame {
		return []frame{{at: at, stage: stage, calls: 1, stack: stack, ran: ran}}
	}
	tests := map[string]struct {
		frames  []frame
		late    judge.Ending
		at      int
		starved float64 // of each second
	}{
		"never speaks":    {frames: nil, late: judge.Ending{Late: results.StageBoot, Silent: true, Seconds: 40}, at: 40},
		"falls silent":    {frames: beat(results.StageTest, 0, 3, 8), late: judge.Ending{Late: results.StageTest, Silent: true, Seconds: 20}, at: 27},
		"load never ends": {frames: beat(results.StageLoad, 1, 5, 90), late: judge.Ending{Late: results.StageLoad, Seconds: 30}, at: 35},
		"unload never ends": {frames: append(beat(results.StageTest, 0, 5, 50), beat(results.StageUnload, 1, 50, 99)...),
			late: judge.Ending{Late: results.StageUnload, Seconds: 30}, at: 80},
		"the second unload never ends": {frames: append(beat(results.StageUnload, 2, 5, 30), beat(results.StageUnload, 1, 30, 99)...),
			late: judge.Ending{Late: results.StageUnload, Seconds: 30}, at: 60},
		"searches long after it unloaded": {frames: append(beat(results.StageUnload, 1, 5, 30), beat(results.StageUnload, 0, 30, 200)...),
			late: judge.Ending{Late: results.StageUnload, Seconds: 100}, at: 100},
		"goes on": {frames: beat(results.StageTest, 0, 1, 200), late: judge.Ending{Late: results.StageTest, Seconds: 100}, at: 100},
		"a spec stands still": {frames: append(beat(results.StageTest, 0, 1, 10), stands(results.StageTest, 0, 10, 99)...),
			late: judge.Ending{Late: results.StageTest, Still: true, Seconds: 25}, at: 36},
		"moves now and then": {frames: slices.Concat(stands(results.StageTest, 0, 1, 24), stands(results.StageTest, 0, 24, 47), stands(results.StageTest, 0, 47, 60), beat(results.StageTest, 0, 60, 200)),
			late: judge.Ending{Late: results.StageTest, Seconds: 100}, at: 100},
		"sleeps for a set time, and goes on": {frames: slices.Concat(stands(results.StageTest, 0, 1, 10), stuck(results.StageTest, 10, "doze", 0), stands(results.StageTest, 0, 1, 60)[10:], beat(results.StageTest, 0, 60, 200)),
			late: judge.Ending{Late: results.StageTest, Seconds: 100}, at: 100},
		"sleeps for a set time, again and again": {frames: slices.Concat(stands(results.StageTest, 0, 1, 10), stuck(results.StageTest, 10, "doze", 1), stands(results.StageTest, 0, 1, 60)[9:]),
			late: judge.Ending{Late: results.StageTest, Still: true, Seconds: 25}, at: 27},
		"sleeps for a set time, then for ever": {frames: slices.Concat(stands(results.StageTest, 0, 1, 10), stuck(results.StageTest, 10, "doze", 0), stands(results.StageTest, 0, 1, 40)[10:], stands(results.StageTest, 0, 40, 99)),
			late: judge.Ending{Late: results.StageTest, Still: true, Seconds: 25}, at: 66},
		"loads for a set time, too long": {frames: slices.Concat(stands(results.StageLoad, 1, 1, 10), stuck(results.StageLoad, 10, "doze", 0), stands(results.StageLoad, 1, 1, 60)[10:]),
			late: judge.Ending{Late: results.StageLoad, Seconds: 30}, at: 31},
		"stands still on a host that is busy": {frames: append(beat(results.StageTest, 0, 1, 10), stands(results.StageTest, 0, 10, 99)...),
			late: judge.Ending{Late: results.StageTest, Still: true, Seconds: 25}, at: 61, starved: 0.5},
		"falls silent on a host that is busy": {frames: beat(results.StageTest, 0, 3, 8), late: judge.Ending{Late: results.StageTest, Silent: true, Seconds: 20}, at: 86, starved: 0.75},
		"boots on a host that is busy":        {frames: nil, late: judge.Ending{Late: results.StageBoot, Silent: true, Seconds: 40}, at: 40, starved: 0.75},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, killed := time.Now(), make(chan time.Duration, 1)
				starved := func() time.Duration { return time.Duration(test.starved * float64(time.Since(began))) }
				w := newWatchdog(limits, time.Now, starved, func() { killed <- time.Since(began) })
				for _, f := range test.frames {
					time.Sleep(time.Duration(f.at)*time.Second - time.Since(began))
					if len(killed) > 0 {
						break
					}
					frame := wire.Frame{Kind: wire.KindHeartbeat, Still: int64(f.still) * 1000}
					if f.stack != "" {
						frame = wire.Frame{Kind: wire.KindStuck, Stack: f.stack, Count: f.ran}
					}
					w.heard(frame, f.stage, f.calls, func(stack string) bool { return stack == "doze" })
				}
				at := <-killed
				if end := w.stop(); end != test.late || at.Round(time.Second) != time.Duration(test.at)*time.Second {
					t.Errorf("after %v: %+v, want %+v after %d s", at, end, test.late, test.at)
				}
			})
		})
	}
}

// A guest that was kept waiting and then ended is not late by the time for which it had waited.
func TestWatchForgetsNothingOfAGuestThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, gone := time.Now(), atomic.Bool{}
		limits := deadlines{boot: time.Hour, silent: 20 * time.Second, still: 20 * time.Second, call: time.Hour, whole: time.Hour}
		starved := func() time.Duration {
			if gone.Load() {
				return 0
			}
			return min(90*time.Second, time.Since(began))
		}
		w := newWatchdog(limits, time.Now, starved, func() { t.Error("it was ended") })
		time.Sleep(95 * time.Second)
		w.heard(wire.Frame{Kind: wire.KindHeartbeat}, results.StageTest, 0, nil)
		gone.Store(true)
		time.Sleep(19 * time.Second)
		if end := w.stop(); end.Late != "" {
			t.Errorf("%+v", end)
		}
	})
}
