package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
)

// guests lists the QEMUs that are children of this process, by pid.
func guests() (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range all {
		if measure.Field(file, "PPid") == strconv.Itoa(os.Getpid()) && strings.HasPrefix(measure.Field(file, "Name"), "qemu-system") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// usage is the memory of one process in bytes.
type usage struct {
	private int64 // that no other process has mapped
	share   int64 // its proportional share of all that it has mapped (PSS)
}

// memoryOf reads the kernel's account of a process' memory (Documentation/filesystems/proc.rst, smaps_rollup).
func memoryOf(pid int) (usage, error) { return readSmaps(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) }

func readSmaps(file string) (usage, error) {
	share, clean, dirty := measure.KiB(file, "Pss"), measure.KiB(file, "Private_Clean"), measure.KiB(file, "Private_Dirty")
	if share < 0 || clean < 0 || dirty < 0 {
		return usage{}, fmt.Errorf("read %s: it lacks Pss, Private_Clean or Private_Dirty", file)
	}
	return usage{private: (clean + dirty) << 10, share: share << 10}, nil
}

// together is what all guests of this process use: each page counts once.
func together() (bytes int64, n int) {
	for _, pid := range guests() {
		if u, err := memoryOf(pid); err == nil { // else it has just ended
			bytes, n = bytes+u.share, n+1
		}
	}
	return bytes, n
}

func inMiB(bytes int64) float64 { return float64(bytes) / (1 << 20) }
