package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

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

// peak is the most that was seen.
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
