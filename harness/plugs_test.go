package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// socket is a guest that has one device, and may be slow or deaf.
type socket struct {
	mu     sync.Mutex
	did    []string
	in     bool
	told   bytes.Buffer
	deaf   bool
	heavy  chan struct{} // pulling waits for it, or for the end
	hanged bool
}

func (s *socket) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, what)
}

func (s *socket) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.did)
}

func (s *socket) Plug(_ context.Context, name string) error {
	s.note("plug " + name)
	switch {
	case name != "kbd":
		return errors.New("no device of that name is declared")
	case s.in:
		return errors.New("kbd is plugged in already")
	}
	s.in = true
	return nil
}

func (s *socket) Unplug(ctx context.Context, name string, patience time.Duration) error {
	s.note("unplug " + name)
	if patience != pullTime {
		return errors.New("another patience")
	}
	if s.heavy != nil {
		select {
		case <-s.heavy:
		case <-ctx.Done():
			s.hanged = true
			return ctx.Err()
		}
	}
	s.in = false
	return nil
}

func (s *socket) Send(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf {
		return errors.New("it does not listen")
	}
	s.told.Write(b)
	return nil
}

// answers are what the guest was told, up to n of them.
func (s *socket) answers(t *testing.T, n int) (all []string) {
	t.Helper()
	for range 1000 {
		s.mu.Lock()
		r := wire.NewReader(bytes.NewReader(bytes.Clone(s.told.Bytes())))
		s.mu.Unlock()
		for all = nil; ; {
			f, err := r.Next()
			if err != nil {
				break
			}
			all = append(all, fmt.Sprintf("%s %s %d %s", f.Nonce, f.Kind, f.Count, f.Text))
		}
		if len(all) >= n {
			return all
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%d answers, want %d: %q", len(all), n, all)
	return nil
}

func TestOutlet(t *testing.T) {
	s := &socket{}
	o := newPlugServer(t.Context(), s, "n")
	for i, kind := range []wire.Kind{wire.KindPlug, wire.KindHeartbeat, wire.KindPlug, wire.KindUnplug, wire.KindPlug} {
		o.ask(wire.Frame{Kind: kind, Text: "kbd", Count: i})
	}
	o.ask(wire.Frame{Kind: wire.KindPlug, Text: "loader,file=/etc/shadow", Count: 9})
	want := "n answer 0 |n answer 2 kbd is plugged in already|n answer 3 |n answer 4 |n answer 9 no device of that name is declared"
	if got := strings.Join(s.answers(t, 5), "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	o.close()
}

// A guest that asks faster than it is served, or for ever, keeps nobody from anything.
func TestOutletUnderAFlood(t *testing.T) {
	s := &socket{heavy: make(chan struct{})}
	o := newPlugServer(t.Context(), s, "n")
	for i := range 100_000 {
		o.ask(wire.Frame{Kind: wire.KindUnplug, Text: "kbd", Count: i})
	}
	for s.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	o.close()
	if !s.hanged || len(s.did) != 1 {
		t.Errorf("did %d things, and the pull was ended: %v", len(s.did), s.hanged)
	}
	if err := perform(t.Context(), s, wire.Frame{Kind: wire.KindPlug, Text: "kbd"}, maxAsks+1); err == nil || !strings.Contains(err.Error(), "10000 times") {
		t.Errorf("got %v", err)
	}
}

func TestOutletOfADeafGuest(t *testing.T) {
	s := &socket{deaf: true}
	o := newPlugServer(t.Context(), s, "n")
	o.ask(wire.Frame{Kind: wire.KindPlug, Text: "kbd"})
	<-o.done
	o.ask(wire.Frame{Kind: wire.KindPlug, Text: "kbd"})
	o.close()
}

func TestPlugsOf(t *testing.T) {
	rows := []string{"kbd=usb-kbd", "card=edu,dma_mask=0xff"}
	if got := plugsOf(rows); len(got) != 2 || got[1] != (vm.Plug{Name: "card", Row: "edu,dma_mask=0xff"}) {
		t.Errorf("%+v", got)
	}
	if plugModules(rows) == nil || plugModules(rows[1:]) != nil {
		t.Error("only a USB device needs a USB controller")
	}
}
