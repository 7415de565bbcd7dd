package main

import (
	"fmt"
	"io"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
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

// rest reads on until the guest has ended. Its error says why a guest must not be timed: it did not pass.
func (f *frames) rest(p *vm.Process, release string, modules int) error {
	for {
		frame, err := f.read.Next()
		if err != nil {
			f.out.CloseWithError(err)
			break
		}
		f.guest.Add(frame)
	}
	out, err := p.Wait()
	rec := judge.Judge(judge.Evidence{Built: true, Modules: modules, Want: release, Guest: f.guest, End: judge.Ending{Reason: string(out.Reason)}})
	return allPass(&results.Results{Records: []results.Record{rec}}, err)
}

func (f *frames) discard() { go io.Copy(io.Discard, f.out) }
