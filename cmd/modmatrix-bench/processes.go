package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

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

// remains is what a guest may leave behind in this process.
type remains struct{ guests, descriptors, goroutines int }

// settle counts when the numbers no longer change: what is being cleaned up is not left behind.
func settle() (last remains) {
	for i := range 50 {
		open, _ := os.ReadDir("/proc/self/fd")
		now := remains{len(guests()), len(open), runtime.NumGoroutine()}
		if i > 0 && now == last && now.guests == 0 {
			break
		}
		last = now
		time.Sleep(100 * time.Millisecond)
	}
	return last
}

// leftovers returns what is there now and was not before: processes, descriptors, goroutines, files.
func (s *soak) leftovers(before remains) error {
	var errs []error
	after := settle()
	if after.guests > 0 {
		errs = append(errs, deviates("%d guests still run: %v", after.guests, guests()))
	}
	if after.descriptors > before.descriptors || after.goroutines > before.goroutines {
		errs = append(errs, deviates("%d descriptors and %d goroutines are open, and were %d and %d before",
			after.descriptors, after.goroutines, before.descriptors, before.goroutines))
	}
	entries, err := os.ReadDir(s.temp)
	errs = append(errs, err)
	for _, e := range entries {
		errs = append(errs, deviates("a file is left: %s", filepath.Join(s.temp, e.Name())))
	}
	return errors.Join(errs...)
}

// meter watches the memory of all guests of this process together.
type meter struct {
	cancel context.CancelFunc
	done   chan peak
}

type peak struct {
	bytes  int64
	guests int // at once
}

// meterEvery is how often it looks: a guest lives for a second at the least.
const meterEvery = 200 * time.Millisecond

func startMeter(ctx context.Context) *meter {
	ctx, cancel := context.WithCancel(ctx)
	m := &meter{cancel, make(chan peak, 1)}
	go func() {
		var most peak
		for ctx.Err() == nil {
			bytes, n := together()
			most = peak{max(most.bytes, bytes), max(most.guests, n)}
			select {
			case <-ctx.Done():
			case <-time.After(meterEvery):
			}
		}
		m.done <- most
	}()
	return m
}

func (m *meter) stop() peak {
	m.cancel()
	return <-m.done
}
