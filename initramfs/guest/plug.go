package guest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// answerTime is how long the host's answer is waited for. The host itself gives up on a device that is not let go of
// in half that time.
const answerTime = time.Minute

// outlet is how devices come and go: the host is asked for them, and answers on the port.
type outlet struct {
	turn    sync.Mutex
	ticket  int
	answers chan wire.Frame // nil until something was asked for
	in      map[string]bool // by name, what is plugged in
}

// plug asks the host for what f says, and gives its reason where it is not done; empty: it is.
func (g *guest) plug(f wire.Frame) (refused string) {
	o := &g.outlet
	o.turn.Lock()
	defer o.turn.Unlock()
	if o.answers == nil {
		o.answers, o.in = make(chan wire.Frame, 1), map[string]bool{}
		go g.guard(func() { g.hear(wire.NewReader(g.port), o.answers) })
	}
	o.ticket++
	g.send(wire.Frame{Kind: f.Kind, Text: f.Text, Count: o.ticket})
	if refused = o.await(); refused != "" {
		return refused
	}
	if f.Kind == wire.KindPlug {
		o.in[f.Text] = true
	} else {
		delete(o.in, f.Text)
	}
	return ""
}

// await gives the host's answer to the last ticket.
func (o *outlet) await() (refused string) {
	late := time.NewTimer(answerTime)
	defer late.Stop()
	for {
		select {
		case f := <-o.answers:
			if f.Count == o.ticket { // else it is one that was given up
				return f.Text
			}
		case <-late.C:
			return fmt.Sprintf("the host gave no answer in %v", answerTime)
		}
	}
}

// hear takes the host's answers from the port.
func (g *guest) hear(r *wire.Reader, answers chan<- wire.Frame) {
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

// left names what is plugged in.
func (o *outlet) left() []string {
	o.turn.Lock()
	defer o.turn.Unlock()
	return slices.Sorted(maps.Keys(o.in))
}

// pullAll pulls what a suite has left plugged in. What does not let go shows as left behind.
func (g *guest) pullAll() {
	for _, name := range g.outlet.left() {
		_ = g.plug(wire.Frame{Kind: wire.KindUnplug, Text: name})
	}
}

// Read waits until there is something on the line.
func (p *port) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(p.fd, b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
