package harness

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"time"

	"context"
	"io"
	"sync"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// guestMiB is the memory of t's guests. What a sanitizer needs, in memory and time, comes on top of what was asked for.
func guestMiB(s Spec, t kernels.Target) int { return s.MemoryMiB + t.MoreMiB }

const (
	usedMiB  = 128 // what a guest uses before it has its payload
	usualMiB = 64  // what most payloads take; whoever asks for less memory gets that
	stepMiB  = 256 // what the memory grows by, so that few templates are made
)

// moreMiB is the memory that guests with b need beyond what they have; zero for all but large modules, suites and firmware. The payload is
// unpacked in memory, beside the image that it may have come in; the kernel reads a module whole, and copies it.
func (r *run) moreMiB(b *built, t kernels.Target) int {
	if len(b.Modules) == 0 || r.plan.Spec.BuildOnly || isHere(t) {
		return 0
	}
	var payload, largest int64
	for _, m := range b.all() {
		payload, largest = payload+m.Size, max(largest, m.Size)
	}
	for _, fw := range b.firmware {
		for _, f := range fw.chosen(b.all()) {
			payload += f.size
		}
	}
	payload += r.suiteBytes(t.Arch)
	large := int((2*payload + 2*largest) >> 20)
	has, needs := guestMiB(r.plan.Spec, t), usedMiB+large
	if needs <= has || large <= usualMiB {
		return 0
	}
	return (needs - has + stepMiB - 1) / stepMiB * stepMiB
}

// suiteBytes is the size of the suites that one guest of an architecture gets.
func (r *run) suiteBytes(machine string) (size int64) {
	for on, s := range r.suites {
		if on.arch != machine {
			continue
		}
		info, err := os.Stat(s.path)
		switch {
		case err != nil: // whoever reads it will say so
		case r.plan.Spec.Isolate == IsolateNone:
			size += info.Size()
		default:
			size = max(size, info.Size())
		}
	}
	return size
}

// kernelArgs are further arguments of the kernel. Since v6.18 each processor keeps arrays of free objects, in which the
// pointers of those that were handed out stay (Linux mm/slub.c, struct slab_sheaf): kmemleak finds them there, and takes
// what a module lost for used. Caches with any check of their own have no such arrays.
func kernelArgs(tree *kernels.Tree) []string {
	if tree.Config.Enabled("CONFIG_DEBUG_KMEMLEAK") && results.CompareVersions(tree.Target.Version, "6.18") >= 0 {
		return []string{"slab_debug=F"}
	}
	return nil
}

// deadlines are how long a guest may take. A slow machine taken for a hang is a lie: the guest's init sends a heartbeat every
// second, which says whether everything makes progress, and the watchdog does not count the time in which the guest could not run.
type deadlines struct {
	boot   time.Duration // from power-on to the guest's hello
	silent time.Duration // without any frame
	still  time.Duration // in which a thread makes no progress
	call   time.Duration // for one finit_module or delete_module, while it makes progress or sleeps for a set time
	whole  time.Duration // from power-on to power-off
	build  time.Duration // of the module, with what it depends on; zero: for ever
	ask    time.Duration // what a guest that is past a deadline may still cost, to be asked where it is
}

const (
	bootLimit  = 120 * time.Second // a stock kernel under emulation on a busy machine needs 4 to 15 s
	hangLimit  = 30 * time.Second  // without a frame, or without progress, where the processor is emulated
	callLimit  = 90 * time.Second
	buildLimit = time.Hour // the largest modules there are take minutes
	askLimit   = 30 * time.Second
)

func limits(s Spec) deadlines {
	return deadlines{boot: bootLimit, silent: hangLimit, still: hangLimit, call: callLimit, whole: s.Timeout, build: buildLimit, ask: askLimit}
}

func (h *Harness) deadlines(s Spec, t kernels.Target) deadlines {
	return h.limits(s).times(t.Slower)
}

// times makes the deadlines of a guest n times longer, for n from two. A build runs on the host and is as long as ever.
func (d deadlines) times(n int) deadlines {
	for _, limit := range []*time.Duration{&d.boot, &d.silent, &d.still, &d.call, &d.whole} {
		*limit *= time.Duration(max(n, 1))
	}
	return d
}

// under makes those for hangs shorter where the processor is not emulated.
func (d deadlines) under(a vm.Accel) deadlines {
	if a.Name == "kvm" {
		d.silent, d.still = d.silent*13/30, d.still*13/30
	}
	return d
}

// patient are those of a guest that somebody may stop for as long as they like.
func (d deadlines) patient() deadlines {
	d.silent, d.still, d.call = d.whole, d.whole, d.whole
	return d
}

// suiteTimeout leaves the guest time to end a suite and report it, and the suite time to list its specs on a busy host.
func suiteTimeout(d deadlines) time.Duration {
	const listTime = 15 * time.Second
	return max(d.whole-30*time.Second, d.whole/2, listTime)
}

// jobs is how many builds and guests may run at once: one for each processor, as far as the free memory suffices. A clone shares
// with its template what it never wrote, so half of its memory is counted; a build needs less than that.
func jobs(s Spec, targets ...kernels.Target) int {
	n := s.Jobs
	if n <= 0 {
		n = runtime.NumCPU()
	}
	each := max(s.MemoryMiB, defaultMiB) / 2
	for _, t := range targets {
		each = max(each, guestMiB(s, t)/2)
	}
	if free, ok := freeMiB("/proc/meminfo"); ok {
		n = min(n, free/each)
	}
	return max(n, 1)
}

// freeMiB reads how much memory can be had without swapping (Linux Documentation/filesystems/proc.rst, MemAvailable).
func freeMiB(path string) (int, bool) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kib); n == 1 {
			return kib >> 10, true
		}
	}
	return 0, false
}

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

// ran is for how long the guest could have run. Frames may come by thousands, so the host is not asked for each; once the guest has
// ended, it knows nothing any more.
func (w *watchdog) ran() time.Duration {
	now := w.now()
	if now.Sub(w.asked) >= time.Second/4 {
		w.waited, w.asked = max(w.waited, w.starved()), now
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
