package guest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// answerTime is twice what the host gives a device to be released.
const answerTime = time.Minute

// hotplug asks the host to plug and to pull devices, and for leave to go on under a debugger. One request is made at a time.
type hotplug struct {
	mu      sync.Mutex
	count   int             // of requests
	answers chan wire.Frame // nil until something was requested
	plugged map[string]bool // by name
}

// plug passes the request f to the host. It returns the reason where that is refused, empty where it is done.
func (g *guest) plug(f wire.Frame) (refused string) {
	if g.here != nil {
		return "nothing can be plugged into the machine itself: there is no guest"
	}
	h := &g.hotplug
	h.mu.Lock()
	defer h.mu.Unlock()
	if refused = g.ask(f, time.After(answerTime)); refused != "" {
		return refused
	}
	if f.Kind == wire.KindPlug {
		h.plugged[f.Text] = true
	} else {
		delete(h.plugged, f.Text)
	}
	return ""
}

// ask sends the host a request, and returns its answer. g.hotplug is locked.
func (g *guest) ask(f wire.Frame, late <-chan time.Time) (refused string) {
	h := &g.hotplug
	if h.answers == nil {
		h.answers, h.plugged = make(chan wire.Frame, 1), map[string]bool{}
		go g.guard(func() { g.readAnswers(wire.NewReader(g.port), h.answers) })
	}
	h.count++
	g.send(wire.Frame{Kind: f.Kind, Text: f.Text, Count: h.count})
	return h.await(late)
}

func (h *hotplug) await(late <-chan time.Time) (refused string) {
	for {
		select {
		case f := <-h.answers:
			if f.Count == h.count { // else it is to a request that has timed out
				return f.Text
			}
		case <-late:
			return fmt.Sprintf("the host gave no answer in %v", answerTime)
		}
	}
}

func (g *guest) readAnswers(r *wire.Reader, answers chan<- wire.Frame) {
	for {
		f, err := r.Next()
		if err != nil {
			return
		}
		if f.Kind == wire.KindAnswer && f.Nonce == g.plan.Nonce {
			answers <- f
		}
	}
}

func (h *hotplug) names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.plugged))
}

// pullAll pulls what a suite has left plugged in. A device that is not released shows as left behind.
func (g *guest) pullAll() {
	for _, name := range g.hotplug.names() {
		_ = g.plug(wire.Frame{Kind: wire.KindUnplug, Text: name})
	}
}
