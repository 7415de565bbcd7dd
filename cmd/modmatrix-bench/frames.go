package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// frames follows the report of a guest.
type frames struct {
	in    *io.PipeWriter
	read  chan wire.Frame
	done  chan struct{}
	guest *judge.Guest // complete once done is closed
}

func newFrames(nonce string) *frames {
	out, in := io.Pipe()
	f := &frames{in: in, read: make(chan wire.Frame, 1<<12), done: make(chan struct{}), guest: judge.NewGuest(nonce)}
	go func() {
		defer close(f.done)
		for r := wire.NewReader(out); ; {
			frame, err := r.Next()
			if err != nil {
				out.CloseWithError(err) // the writer must not wait
				return
			}
			if f.guest.Add(frame) {
				select {
				case f.read <- frame:
				default: // nobody waits for this one any more
				}
			}
		}
	}()
	return f
}

// await returns when a frame that fits has come; its error is how the guest ended before.
func (f *frames) await(p *vm.Process, fits func(wire.Frame) bool) error {
	for {
		select {
		case frame := <-f.read:
			if fits(frame) {
				return nil
			}
		case <-p.Done():
			out, _ := p.Wait()
			return fmt.Errorf("the guest ended too early, by %s", out.Reason)
		}
	}
}

// end waits until the whole report is in guest.
func (f *frames) end() {
	f.in.Close()
	<-f.done
}

// wellDone returns what is wrong with a guest that was to end by itself. Only what worked may be timed.
func (f *frames) wellDone(out vm.Outcome, do task) error {
	g, want := f.guest, 0
	if do == pass {
		want = 1
	}
	switch {
	case out.Reason != vm.GuestShutdown:
		return fmt.Errorf("the guest ended by %s", out.Reason)
	case !g.Hello || !g.End || g.Lost || len(g.Trouble) > 0:
		return fmt.Errorf("the guest did not carry out its plan: %s", strings.Join(g.Trouble, "; "))
	case min(len(g.Loads), 1) != want || len(g.Unloads) != len(g.Loads):
		return fmt.Errorf("the guest loaded %d modules and unloaded %d", len(g.Loads), len(g.Unloads))
	}
	for _, call := range append(g.Loads, g.Unloads...) {
		if call.Errno != 0 {
			return fmt.Errorf("load or unload %s in the guest: %w", call.Module, call)
		}
	}
	return nil
}
