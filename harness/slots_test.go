package harness

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlotsServeTheLongestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1)
		if err := s.acquire(t.Context(), turn{}); err != nil {
			t.Fatal(err)
		}
		var order []time.Duration
		var wg sync.WaitGroup
		for _, ahead := range []time.Duration{3, 9, 1, 9, 5} {
			wg.Go(func() {
				if s.acquire(t.Context(), turn{rankRest, ahead}) == nil {
					order = append(order, ahead)
					s.release()
				}
			})
			synctest.Wait()
		}
		s.release()
		wg.Wait()
		if want := []time.Duration{9, 9, 5, 3, 1}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

func TestSlotsAreNotLostToACancelledWait(t *testing.T) {
	s := newSlots(2)
	var wg sync.WaitGroup
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if s.acquire(ctx, turn{}) == nil {
				s.release()
			}
		})
		wg.Go(cancel)
	}
	wg.Wait()
	if s.free != 2 || len(s.waiting) != 0 {
		t.Errorf("%d free and %d waiting, want 2 and 0", s.free, len(s.waiting))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.acquire(ended, turn{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
