package harness

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
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

// watchdog ends a guest that is past a deadline. But for those of the boot and of the whole, they count the time in which the guest
// could have run: how long a busy host kept it waiting for a processor does not count.
type watchdog struct {
	limits  deadlines
	now     func() time.Time
	began   time.Time
	starved func() time.Duration // for how long the guest was kept waiting so far
	kill    func()
	done    chan struct{}

	mu      sync.Mutex
	waited  time.Duration // what starved said
	asked   time.Time     // when
	spoke   bool
	last    time.Duration // of the last frame
	stage   results.Stage
	calls   int           // of this stage that are still to return, the one under way included
	entered time.Duration // when stage began, or its last call returned
	still   time.Duration // for how long the guest says that something in it makes no progress; zero: nothing
	stopped time.Duration // when it said so first
	dozes   bool          // it sleeps for a set time, which will end
	end     judge.Ending
}

func newWatchdog(d deadlines, now func() time.Time, starved func() time.Duration, kill func()) *watchdog {
	w := &watchdog{limits: d, now: now, began: now(), starved: starved, kill: kill, done: make(chan struct{}), stage: results.StageBoot}
	go w.loop()
	return w
}

// ran is for how long the guest could have run. Frames may come by thousands, so the host is not asked for each.
func (w *watchdog) ran() time.Duration {
	now := w.now()
	if now.Sub(w.asked) >= time.Second/4 {
		w.waited, w.asked = w.starved(), now
	}
	return now.Sub(w.began) - w.waited
}

func (w *watchdog) loop() {
	for {
		again, late := w.late()
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

// heard notes the frame f, which came while the guest was in stage, with so many calls before it. dozes reports whether a stack
// is one of a thread that sleeps for a set time.
func (w *watchdog) heard(f wire.Frame, stage results.Stage, calls int, dozes func(stack string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spoke, w.last = true, w.ran()
	if stage != w.stage || calls != w.calls {
		w.stage, w.calls, w.entered = stage, calls, w.last
	}
	switch f.Kind {
	case wire.KindHeartbeat:
		still := time.Duration(f.Still) * time.Millisecond
		if still < w.still || w.still == 0 {
			w.stopped, w.dozes = w.last, false
		}
		w.still = still
	case wire.KindStuck:
		w.dozes = f.Stack != "" && f.Count == 0 && dozes(f.Stack)
	}
}

// late reports whether a deadline has passed, and notes which; if not, when to look again.
func (w *watchdog) late() (again time.Duration, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	again = min(w.limits.silent, w.limits.call, w.limits.still) // none that begins later passes before
	for _, d := range w.deadlines() {
		if d.left <= 0 {
			w.end.Late, w.end.Silent, w.end.Still, w.end.Seconds = w.stage, d.silent, d.still, int(d.limit.Seconds())
			return 0, true
		}
		again = min(again, d.left)
	}
	return again, false
}

type deadline struct {
	left, limit   time.Duration
	silent, still bool // it passes because the guest says nothing, or that something makes no progress
}

// deadlines are those that may pass in the state that the guest is in; of several that have, the first says the most.
func (w *watchdog) deadlines() (all []deadline) {
	l, ran, real := w.limits, w.ran(), w.now().Sub(w.began)
	if w.still > 0 && !w.dozes {
		all = append(all, deadline{left: w.stopped + l.still - ran, limit: l.still, still: true})
	}
	all = append(all, deadline{left: l.whole - real, limit: l.whole})
	if w.spoke {
		all = append(all, deadline{left: w.last + l.silent - ran, limit: l.silent, silent: true})
	} else {
		all = append(all, deadline{left: l.boot - real, limit: l.boot, silent: true})
	}
	if w.calls > 0 {
		all = append(all, deadline{left: w.entered + l.call - ran, limit: l.call})
	}
	return all
}

func (w *watchdog) stop() judge.Ending {
	close(w.done)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}
