package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

type frames struct {
	out   *io.PipeReader
	in    *io.PipeWriter // what the guest writes to
	read  *wire.Reader
	guest *judge.Guest // of the frames that were read
}

func newFrames(nonce string) *frames {
	out, in := io.Pipe()
	return &frames{out, in, wire.NewReader(out), judge.NewGuest(nonce)}
}

// until reads up to a frame that fits; the rest stays to be read.
func (f *frames) until(p *vm.Process, fits func(wire.Frame) bool) error {
	go func() {
		p.Wait()
		f.in.Close()
	}()
	for {
		frame, err := f.read.Next()
		if err != nil {
			f.out.CloseWithError(err) // the guest must not wait for a reader
			p.Kill()
			out, _ := p.Wait()
			return fmt.Errorf("the guest ended too early, by %s: %w", out.Reason, err)
		}
		if f.guest.Add(frame) && fits(frame) {
			return nil
		}
	}
}

// rest reads on until the guest has ended. Its error says why a guest must not be timed.
func (f *frames) rest(p *vm.Process, do task) error {
	for {
		frame, err := f.read.Next()
		if err != nil {
			f.out.CloseWithError(err)
			break
		}
		f.guest.Add(frame)
	}
	out, err := p.Wait()
	g, want := f.guest, 0
	if do == pass {
		want = 1
	}
	switch {
	case err != nil:
		return err
	case out.Reason != vm.GuestShutdown:
		return fmt.Errorf("the guest ended by %s", out.Reason)
	case !g.Hello || !g.End || g.Lost || len(g.Trouble) > 0:
		return fmt.Errorf("the guest did not carry out its plan: %s", strings.Join(g.Trouble, "; "))
	case min(len(g.Loads), 1) != want || len(g.Unloads) != len(g.Loads):
		return fmt.Errorf("the guest loaded %d modules and unloaded %d", len(g.Loads), len(g.Unloads))
	}
	var failed []error
	for _, call := range append(g.Loads, g.Unloads...) {
		if call.Errno != 0 {
			failed = append(failed, fmt.Errorf("load or unload %s in the guest: %w", call.Module, call))
		}
	}
	return errors.Join(failed...)
}

func (f *frames) discard() { go io.Copy(io.Discard, f.out) }
