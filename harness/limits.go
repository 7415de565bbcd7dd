package harness

import (
	"cmp"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// What a kernel of its own needs: one with a sanitizer in it keeps books about all memory, and looks twice at each access.
// Who asks for a guest of 256 MiB and ten minutes means one of a kernel without these.

// guestMiB is the memory of t's guests.
func guestMiB(s Spec, t kernels.Target) int { return cmp.Or(s.MemoryMiB, minGuestMiB) + t.MoreMiB }

// kernelArgs are further arguments of the kernel. Since v6.18 each processor keeps arrays of free objects, in which the
// pointers of those that were handed out stay (Linux mm/slub.c, struct slab_sheaf): kmemleak finds them there, and takes
// what a module lost for used. Caches with any check of their own have no such arrays.
func kernelArgs(tree *kernels.Tree) []string {
	if tree.Config.Enabled("CONFIG_DEBUG_KMEMLEAK") && results.CompareVersions(tree.Target.Version, "6.18") >= 0 {
		return []string{"slab_debug=F"}
	}
	return nil
}

// deadlines are how long guests of t may take.
func (h *Harness) deadlines(s Spec, t kernels.Target) deadlines {
	return h.limits(s).times(t.Slower)
}

// times makes the deadlines of a guest that many times longer; once for less than two. A build is as long as ever: it runs
// on the host.
func (d deadlines) times(n int) deadlines {
	for _, limit := range []*time.Duration{&d.boot, &d.silent, &d.call, &d.whole} {
		*limit *= time.Duration(max(n, 1))
	}
	return d
}
