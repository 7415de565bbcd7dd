package harness

import (
	"bufio"
	"fmt"
	"os"
	"runtime"

	"github.com/modmatrix/modmatrix/kernels"
)

// jobs is how many builds and guests may run at once: as many as there are processors, and no more than the free
// memory bears. A clone shares what it never wrote with all others of its template, so half of its nominal memory is
// counted; a build needs less than that.
func jobs(s Spec, targets ...kernels.Target) int {
	n := s.Jobs
	if n <= 0 {
		n = runtime.NumCPU()
	}
	each := max(s.MemoryMiB, minGuestMiB) / 2
	for _, t := range targets {
		each = max(each, guestMiB(s, t)/2)
	}
	if free, ok := freeMiB("/proc/meminfo"); ok {
		n = min(n, free/each)
	}
	return max(n, 1)
}

// minGuestMiB is what a guest has that nobody gave a size.
const minGuestMiB = 256

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
