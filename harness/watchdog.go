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

// giveUp asks a guest that is past a deadline where it is, for as long as limit, and ends it. Its kernel panics over that, so a
// line in its log says from where on the faults are the host's doing.
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
	now    func() time.Time
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

func newWatchdog(d deadlines, now func() time.Time, kill func()) *watchdog {
	w := &watchdog{limits: d, now: now, kill: kill, done: make(chan struct{}), began: now(), stage: results.StageBoot}
	go w.loop()
	return w
}

func (w *watchdog) loop() {
	for {
		again, late := w.late(w.now())
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
	w.last = w.now()
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

type deadline struct {
	since  time.Time
	limit  time.Duration
	silent bool // it passes because the guest says nothing
}

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

func (w *watchdog) stop() judge.Ending {
	close(w.done)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}
