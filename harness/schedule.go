package harness

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// slots lets a number of workers do heavy work at once, in the order of their turns.
type slots struct {
	mu      sync.Mutex
	free    int
	waiting []*waiter // in the order in which they came
}

type waiter struct {
	turn turn
	had  chan struct{} // closed when the slot is theirs
}

func newSlots(n int) *slots { return &slots{free: n} }

// acquire waits for a slot.
func (s *slots) acquire(ctx context.Context, t turn) error { return s.wait(ctx, s.line(t)) }

// line takes a place among those who wait. Whoever has it must call wait.
func (s *slots) line(t turn) *waiter {
	w := &waiter{t, make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, w)
	s.hand()
	return w
}

// wait returns when w has its slot, or with ctx's error, and then it has none.
func (s *slots) wait(ctx context.Context, w *waiter) error {
	if ctx.Err() == nil {
		select {
		case <-w.had:
			return nil
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	} else { // it was handed over in this very moment
		s.free++
		s.hand()
	}
	return ctx.Err()
}

// release returns a slot.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	s.hand()
}

// hand returns free slots to those who wait, by their turns, then who came first.
func (s *slots) hand() {
	for s.free > 0 && len(s.waiting) > 0 {
		next := 0
		for i, w := range s.waiting {
			if w.turn.compare(s.waiting[next].turn) < 0 {
				next = i
			}
		}
		close(s.waiting[next].had)
		s.waiting = slices.Delete(s.waiting, next, next+1)
		s.free--
	}
}

// durations remembers how long work took, over all runs of a store, for the order of work and the time left.
type durations struct{ *remembered[time.Duration] }

// unknown stands for work that was never done before. It may be long, so it is not left to the end.
const unknown = 30 * time.Second

// maxDurations bounds the names of work that is remembered.
const maxDurations = 20_000

func openDurations(dir string) *durations {
	return &durations{openRemembered[time.Duration](filepath.Join(dir, "durations.json"), maxDurations)}
}

// durationKey names the work of a cell, whose focus makes it other work, or of a build where the cell has no suite.
func durationKey(p *Plan, c results.Cell) string {
	key := p.Module.Name + " " + c.Target + " " + c.Suite
	if c.Suite != "" && p.Spec.Focus != "" {
		key += " " + strconv.Quote(p.Spec.Focus)
	}
	return key
}

func (d *durations) of(key string) time.Duration {
	if t, ok := d.get(key); ok {
		return t
	}
	return unknown
}

// rest is how long a target still takes from its build on.
func (d *durations) rest(p *Plan, label string) time.Duration {
	all := d.of(durationKey(p, results.Cell{Target: label}))
	for _, s := range p.Suites {
		all += d.of(durationKey(p, results.Cell{Target: label, Suite: s.Name}))
	}
	return all
}
