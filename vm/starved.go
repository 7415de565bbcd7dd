package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Starved is for how long this host has kept the guest waiting for a processor: the longest that a thread of QEMU's was
// runnable and did not run (Linux Documentation/scheduler/sched-stats.rst). It is zero where the host does not count that.
func (p *Process) Starved() time.Duration {
	return starved(fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid))
}

func starved(tasks string) (longest time.Duration) {
	files, _ := filepath.Glob(filepath.Join(tasks, "*", "schedstat")) // only a bad pattern is an error
	for _, file := range files {
		text, _ := os.ReadFile(file) // the thread may be gone
		var ran, waited time.Duration
		if n, _ := fmt.Sscan(string(text), &ran, &waited); n == 2 {
			longest = max(longest, waited)
		}
	}
	return longest
}
