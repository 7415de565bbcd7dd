package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// remains is what a guest that is over may have left of itself in this process.
type remains struct{ guests, descriptors, goroutines int }

func count() remains {
	open, _ := os.ReadDir("/proc/self/fd")
	return remains{len(guests()), len(open), runtime.NumGoroutine()}
}

// settle counts when the numbers have come to rest: what is being cleaned up is not left behind.
func settle() remains {
	last := count()
	for range 50 {
		time.Sleep(100 * time.Millisecond)
		now := count()
		if now == last && now.guests == 0 {
			break
		}
		last = now
	}
	return last
}

// leftovers says what is there now that was not before: processes, descriptors, goroutines, files.
func (s *soak) leftovers(before remains) error {
	var errs []error
	after := settle()
	if after.guests > 0 {
		errs = append(errs, deviation{fmt.Sprintf("%d guests still run: %v", after.guests, guests())})
	}
	if after.descriptors > before.descriptors || after.goroutines > before.goroutines {
		errs = append(errs, deviation{fmt.Sprintf("%d descriptors and %d goroutines are open, and were %d and %d before",
			after.descriptors, after.goroutines, before.descriptors, before.goroutines)})
	}
	entries, err := os.ReadDir(s.temp)
	errs = append(errs, err)
	for _, e := range entries {
		if e.Name() != filepath.Base(s.bad.module) {
			errs = append(errs, deviation{"a file is left: " + filepath.Join(s.temp, e.Name())})
		}
	}
	return errors.Join(errs...)
}

// meter watches what all guests of this process use together.
type meter struct {
	end, done chan struct{}
	most      peak
}

type peak struct {
	peak   int64 // bytes
	guests int   // at most at once
}

// meterEvery is how often it looks: a guest lives for a second at the least.
const meterEvery = 200 * time.Millisecond

func startMeter(ctx context.Context) *meter {
	m := &meter{end: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(m.done)
		tick := time.NewTicker(meterEvery)
		defer tick.Stop()
		for {
			select {
			case <-m.end:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			bytes, n := together()
			m.most.peak, m.most.guests = max(m.most.peak, bytes), max(m.most.guests, n)
		}
	}()
	return m
}

func (m *meter) stop() peak {
	close(m.end)
	<-m.done
	return m.most
}
