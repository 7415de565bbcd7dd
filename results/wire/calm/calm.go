// Package calm keeps Go's own watchman from waking a guest thousands of times a second. Every Go process has a thread
// (runtime/proc.go, sysmon) that sleeps for 20 µs at a time while there is anything to do. To an emulated processor each
// of its wakings is a timer to be set, an interrupt and two switches of threads: a third of all that a clone costs.
//
// It is for programs that only ever run in a guest's company: PID 1 calls Down once /proc is there; a suite process that
// PID 1 started, as it says by Env, becomes calm while its packages are initialised. It must import next to nothing, so
// that it comes before whatever else is initialised there, and never touch a process that is not in a guest.
package calm

import (
	"os"
	"slices"
	"strconv"
)

// Env is set in the environment of a process that is to become calm by itself.
const Env = "MODMATRIX_CALM"

// slack is how much longer the watchman may sleep than it asks for, in nanoseconds: the 10 ms that it sleeps by itself
// where there is little to do. It wakes with the kernel's own ticks then. What it does, to take a processor back from a
// goroutine that is in a system call, comes as late as that.
const slack = "10000000"

func init() {
	if os.Getenv(Env) != "" {
		os.Unsetenv(Env) // it is not for processes that this one starts
		Down("/proc")
	}
}

// Down lets the watchman of this process sleep longer, as far as the kernel has a word for it: /proc/TID/timerslack_ns,
// since Linux 4.6 (fs/proc/base.c). Only that thread's sleep changes; the sleep of goroutines, and of children, does not.
func Down(proc string) {
	if tid := watchman(proc + "/self/task"); tid > 0 {
		_ = os.WriteFile(proc+"/"+strconv.Itoa(tid)+"/timerslack_ns", []byte(slack), 0) // a kernel without it stays busy
	}
}

// watchman is the first thread that a Go process starts, before any of ours (runtime/proc.go, main); 0 for none yet.
func watchman(task string) int {
	list, _ := os.ReadDir(task)
	var tids []int
	for _, e := range list {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			tids = append(tids, tid)
		}
	}
	if len(tids) < 2 {
		return 0
	}
	slices.Sort(tids)
	return tids[1] // the first is the process
}
