package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// guests lists the QEMUs that are children of this process, in the order of their numbers.
func guests() []int {
	var pids []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, name, parent, ok := parseStat(read(path))
		if ok && parent == os.Getpid() && strings.HasPrefix(name, "qemu-system") {
			pids = append(pids, pid)
		}
	}
	slices.SortFunc(pids, cmp.Compare)
	return pids
}

// parseStat reads the beginning of /proc/PID/stat (proc(5)). The name may hold anything, parentheses too.
func parseStat(text string) (pid int, name string, parent int, ok bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return 0, "", 0, false
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(text[:open]))
	rest := strings.Fields(text[end+1:])
	if err1 != nil || len(rest) < 2 {
		return 0, "", 0, false
	}
	parent, err := strconv.Atoi(rest[1])
	return pid, text[open+1 : end], parent, err == nil
}

// usage is the memory of one process in bytes.
type usage struct {
	private int64 // that no other process has mapped
	share   int64 // its proportional share of all that it has mapped (PSS)
}

// memoryOf reads what the kernel says of a process' memory (Documentation/filesystems/proc.rst, smaps_rollup).
func memoryOf(pid int) (usage, error) {
	return parseSmaps(read(fmt.Sprintf("/proc/%d/smaps_rollup", pid)))
}

func parseSmaps(text string) (usage, error) {
	kib := map[string]int64{}
	for _, name := range []string{"Pss", "Private_Clean", "Private_Dirty"} {
		n, err := strconv.ParseInt(strings.TrimSuffix(field(text, name), " kB"), 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("read memory of a guest: no %s", name)
		}
		kib[name] = n << 10
	}
	return usage{private: kib["Private_Clean"] + kib["Private_Dirty"], share: kib["Pss"]}, nil
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
