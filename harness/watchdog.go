package harness

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// deadlines are how long a guest may take. They are generous: a hang is cheap to wait for, a slow machine taken for
// a hang is a lie. The guest's init sends a heartbeat every second, so silence is distinguished from slowness.
type deadlines struct {
	boot   time.Duration // from power-on to the guest's hello
	silent time.Duration // without any frame
	call   time.Duration // for one finit_module or delete_module, while init itself still answers
	whole  time.Duration // from power-on to power-off
	build  time.Duration // of the module, with what it depends on; zero: for ever
	ask    time.Duration // what a guest that is past a deadline may still cost, to be asked where it is
}

const (
	bootLimit    = 120 * time.Second // a stock kernel under emulation on a busy machine needs 4 to 15 s
	silentLimit  = 60 * time.Second
	callLimit    = 90 * time.Second
	wholeDefault = 10 * time.Minute
	buildLimit   = time.Hour // the largest modules there are take minutes
	askLimit     = 30 * time.Second
)

func limits(s Spec) deadlines {
	d := deadlines{bootLimit, silentLimit, callLimit, s.Timeout, buildLimit, askLimit}
	if d.whole <= 0 {
		d.whole = wholeDefault
	}
	return d
}

// suiteTimeout leaves the guest time to end a suite by itself and report it. It is as long as a suite may need on a
// busy host only to list its specs, however short the deadline.
func suiteTimeout(d deadlines) time.Duration {
	whole := d.whole
	return max(whole-30*time.Second, whole/2, listTime)
}

const listTime = 15 * time.Second

// giveUp ends a guest that is past a deadline, and asks it before where it is, for as long as limit. That is a panic to its kernel, so a line
// in its log says from where on the faults are our doing.
func giveUp(p *vm.Process, log io.Writer, nonce string, limit time.Duration) func() {
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		fmt.Fprintf(log, "\n%s\n", judge.AskedMark(nonce))
		p.Diagnose(ctx)
		p.Kill()
	}
}

// watchdog ends a guest that is past a deadline.
type watchdog struct {
	limits deadlines
	kill   func()
	done   chan struct{}

	mu      sync.Mutex
	began   time.Time
	last    time.Time // of the last frame; zero before the first
	stage   results.Stage
	calls   int       // of this stage that are still to return, the one under way included
	entered time.Time // when stage began, or its last call returned
	end     judge.Ending
}

func newWatchdog(d deadlines, kill func()) *watchdog {
	w := &watchdog{limits: d, kill: kill, done: make(chan struct{}), began: time.Now(), stage: results.StageBoot}
	go w.loop()
	return w
}

func (w *watchdog) loop() {
	for {
		again, late := w.late(time.Now())
		if late {
			w.kill()
			return
		}
		select {
		case <-w.done:
			return
		case <-time.After(max(again, time.Millisecond)):
		}
	}
}

// heard notes a frame that came while the guest was in stage, with so many calls before it.
func (w *watchdog) heard(stage results.Stage, calls int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
	if stage != w.stage || calls != w.calls {
		w.stage, w.calls, w.entered = stage, calls, w.last
	}
}

// late reports whether a deadline has passed, and notes which; if not, when to look again.
func (w *watchdog) late(now time.Time) (again time.Duration, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	again = min(w.limits.silent, w.limits.call) // none that begins later passes before
	for _, d := range w.deadlines() {
		left := d.limit - now.Sub(d.since)
		if left <= 0 {
			w.end.Late, w.end.Silent, w.end.Seconds = w.stage, d.silent, int(d.limit.Seconds())
			return 0, true
		}
		again = min(again, left)
	}
	return again, false
}

// deadline is one that has begun.
type deadline struct {
	since  time.Time
	limit  time.Duration
	silent bool // it passes because the guest says nothing
}

// deadlines lists those that hold now.
func (w *watchdog) deadlines() []deadline {
	all := []deadline{{w.began, w.limits.whole, false}}
	if w.last.IsZero() {
		return append(all, deadline{w.began, w.limits.boot, true})
	}
	all = append(all, deadline{w.last, w.limits.silent, true})
	if w.calls > 0 {
		all = append(all, deadline{w.entered, w.limits.call, false})
	}
	return all
}

// stop ends the watching and returns what was noted.
func (w *watchdog) stop() judge.Ending {
	close(w.done)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}
