// Package calm keeps Go's monitor thread (runtime/proc.go, sysmon) from waking a guest thousands of times a second: it
// sleeps for 20 µs at a time while there is anything to do. On an emulated processor each wake-up is a timer to program,
// an interrupt and two context switches: a third of all that a clone costs.
//
// It is for the programs of a guest: PID 1 calls Down once /proc is mounted; a suite process that PID 1 started, which
// sets Env, becomes calm while its packages are initialised. It must import next to nothing, so that it is initialised
// before everything else, and never touch a process outside of a guest.
package calm

import (
	"os"
	"slices"
	"strconv"
)

// Env is set in the environment of a process that is to become calm by itself.
const Env = "MODMATRIX_CALM"

// slack is how much longer sysmon may sleep than it asks for, in nanoseconds: the 10 ms that it sleeps anyway where there
// is little to do, so that it wakes with the kernel's ticks. Retaking a processor from a goroutine that is in a system
// call, which is its work, may be as late as that.
const slack = "10000000"

func init() {
	if os.Getenv(Env) != "" {
		os.Unsetenv(Env) // it is not for child processes
		Down("/proc")
	}
}

// Down lets this process's sysmon sleep longer, by /proc/TID/timerslack_ns (fs/proc/base.c); nothing else does.
func Down(proc string) {
	if tid := sysmon(proc + "/self/task"); tid > 0 {
		_ = os.WriteFile(proc+"/"+strconv.Itoa(tid)+"/timerslack_ns", []byte(slack), 0) // a kernel without it stays busy
	}
}

// sysmon is the first thread that a Go process starts (runtime/proc.go, main); 0 for none yet.
func sysmon(task string) int {
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
