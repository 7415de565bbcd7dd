package harness

import (
	"cmp"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// What a kernel of its own needs: one with a sanitizer in it keeps books about all memory, and looks twice at each access.
// Who asks for a guest of 256 MiB and ten minutes means one that is not so hungry.

// guestMiB is the memory of t's guests.
func guestMiB(s Spec, t kernels.Target) int { return cmp.Or(s.MemoryMiB, minGuestMiB) + t.MoreMiB }

// deadlines are how long guests of t may take.
func (r *run) deadlines(t kernels.Target) deadlines {
	return r.limits(r.plan.Spec).times(t.Slower)
}

// times makes the deadlines of a guest that many times longer; once for less than two. A build is as long as ever: it runs
// on the host.
func (d deadlines) times(n int) deadlines {
	for _, limit := range []*time.Duration{&d.boot, &d.silent, &d.call, &d.whole} {
		*limit *= time.Duration(max(n, 1))
	}
	return d
}
