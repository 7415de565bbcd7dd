package harness

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

// Each deadline is noticed when it passes, and not later, whatever the others are.
func TestWatch(t *testing.T) {
	limits := deadlines{boot: 40 * time.Second, silent: 20 * time.Second, call: 30 * time.Second, whole: 100 * time.Second}
	type frame struct {
		at    int // seconds
		stage results.Stage
		calls int
	}
	beat := func(stage results.Stage, calls, from, to int) (frames []frame) {
		for at := from; at < to; at++ {
			frames = append(frames, frame{at, stage, calls})
		}
		return frames
	}
	tests := map[string]struct {
		frames []frame
		late   judge.Ending
		at     int
	}{
		"never speaks":    {nil, judge.Ending{Late: results.StageBoot, Silent: true, Seconds: 40}, 40},
		"falls silent":    {beat(results.StageTest, 0, 3, 8), judge.Ending{Late: results.StageTest, Silent: true, Seconds: 20}, 27},
		"load never ends": {beat(results.StageLoad, 1, 5, 90), judge.Ending{Late: results.StageLoad, Seconds: 30}, 35},
		"unload never ends": {append(beat(results.StageTest, 0, 5, 50), beat(results.StageUnload, 1, 50, 99)...),
			judge.Ending{Late: results.StageUnload, Seconds: 30}, 80},
		"the second unload never ends": {append(beat(results.StageUnload, 2, 5, 30), beat(results.StageUnload, 1, 30, 99)...),
			judge.Ending{Late: results.StageUnload, Seconds: 30}, 60},
		"searches long after it unloaded": {append(beat(results.StageUnload, 1, 5, 30), beat(results.StageUnload, 0, 30, 200)...),
			judge.Ending{Late: results.StageUnload, Seconds: 100}, 100},
		"goes on": {beat(results.StageTest, 0, 1, 200), judge.Ending{Late: results.StageTest, Seconds: 100}, 100},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, killed := time.Now(), make(chan time.Duration, 1)
				w := newWatchdog(limits, time.Now, func() { killed <- time.Since(began) })
				for _, f := range test.frames {
					time.Sleep(time.Duration(f.at)*time.Second - time.Since(began))
					if len(killed) > 0 {
						break
					}
					w.heard(f.stage, f.calls)
				}
				at := <-killed
				if end := w.stop(); end != test.late || at.Round(time.Second) != time.Duration(test.at)*time.Second {
					t.Errorf("after %v: %+v, want %+v after %d s", at, end, test.late, test.at)
				}
			})
		})
	}
}
