package harness

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// guestMiB is the memory of t's guests. What a sanitizer needs, in memory and time, comes on top of what was asked for.
func guestMiB(s Spec, t kernels.Target) int { return s.MemoryMiB + t.MoreMiB }

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
