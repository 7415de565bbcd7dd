package harness

import (
	"context"
	"slices"
	"sync"
	"time"
)

// slots lets a number of workers do heavy work at once, the one with the most work left first: what begins last should be
// short, or everybody waits for it at the end. Make it with newSlots.
type slots struct {
	mu      sync.Mutex
	free    int
	waiting []*waiter // in the order in which they came
}

type waiter struct {
	ahead time.Duration
	turn  chan struct{} // closed when the slot is theirs
}

func newSlots(n int) *slots { return &slots{free: n} }

// acquire waits for a slot. ahead is how long the caller's work is known to take, and what hangs on it.
func (s *slots) acquire(ctx context.Context, ahead time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &waiter{ahead, make(chan struct{})}
	s.mu.Lock()
	s.waiting = append(s.waiting, w)
	s.hand()
	s.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
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

// hand returns free slots to those who wait, the most work left first, then who came first.
func (s *slots) hand() {
	for s.free > 0 && len(s.waiting) > 0 {
		next := 0
		for i, w := range s.waiting {
			if w.ahead > s.waiting[next].ahead {
				next = i
			}
		}
		close(s.waiting[next].turn)
		s.waiting = slices.Delete(s.waiting, next, next+1)
		s.free--
	}
}
