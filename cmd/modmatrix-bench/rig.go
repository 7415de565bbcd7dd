package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// rig is one kernel with the example driver built for it, and a template of its own.
type rig struct {
	tree     *kernels.Tree
	modules  []kbuild.Module
	base     string     // image that all guests share
	machine  vm.Machine // of the template; a clone differs in its drive and its ports
	dir      string     // private
	template string
	made     time.Duration // how long the template took
}

// guestLimit bounds every guest: none of them does anything that takes long.
const guestLimit = 5 * time.Minute

// freeze boots the kernel and makes it a template. It tells how long that took.
func (r *rig) freeze(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	files, err := harness.ChannelModules(r.tree)
	if err != nil {
		return 0, err
	}
	image := filepath.Join(r.dir, "template.cpio")
	if err := initramfs.WriteTemplateImage(image, r.base, files); err != nil {
		return 0, err
	}
	r.template, r.machine.Initrd, r.machine.Drive = filepath.Join(r.dir, "template"), image, filepath.Join(r.dir, "empty.drive")
	if err := initramfs.EmptyDrive(r.machine.Drive); err != nil {
		return 0, err
	}
	began := time.Now()
	m, frames := r.machine, newFrames("bench")
	m.Args, m.Report = []string{wire.NonceArg + "bench"}, frames.in
	r.machine.Args = m.Args
	p, err := m.StartTemplate(ctx, r.template)
	if err != nil {
		return 0, err
	}
	defer frames.end()
	defer p.Wait()
	defer p.Kill()
	if err := frames.await(p, func(f wire.Frame) bool { return f.Kind == wire.KindReady }); err != nil {
		return 0, err
	}
	err = p.Save(ctx)
	return time.Since(began), err
}

// task is what a guest gets the driver for.
type task int

const (
	arrive task = iota // the guest takes its payload in, says hello, and ends
	pass               // it loads the driver and unloads it, looking around before and after as for every cell, and ends
	hold               // it keeps the driver loaded until it is ended
)

// payload has the driver in it, whatever the guest is to do with it.
func (r *rig) payload(do task) initramfs.Payload {
	t := r.tree.Target
	plan := wire.Plan{Nonce: rand.Text(), Time: time.Now().UnixNano(), Interactive: do == hold, List: do == arrive, Seed: make([]byte, wire.SeedSize),
		Target: wire.Target{Release: t.Release, Version: t.Version, Arch: t.Arch, Flavour: t.Flavour}}
	rand.Read(plan.Seed)
	var files []initramfs.File
	for _, m := range r.modules {
		guest := wire.ModuleDir + "/" + m.Name + ".ko"
		plan.Modules = append(plan.Modules, wire.Module{Name: m.Name, Path: guest})
		files = append(files, initramfs.File{Guest: guest, Host: m.Path})
	}
	return initramfs.Payload{Plan: plan, Files: files}
}

// trip is how long one guest took, from before its payload was written.
type trip struct{ hello, whole time.Duration }

// starter starts a guest whose file is written.
type starter func(context.Context) (*vm.Process, error)

// clone takes the payload through a clone of the template.
func (r *rig) clone(ctx context.Context, do task) (trip, error) {
	return r.guest(ctx, do, func(m *vm.Machine, file string, p initramfs.Payload) (starter, error) {
		m.Drive = file
		restore := func(ctx context.Context) (*vm.Process, error) { return m.Restore(ctx, r.template) }
		return restore, initramfs.WriteDrive(file, p)
	})
}

// cold takes the payload through a guest that boots, with the same kernel and base image.
func (r *rig) cold(ctx context.Context, do task) (trip, error) {
	return r.guest(ctx, do, func(m *vm.Machine, file string, p initramfs.Payload) (starter, error) {
		m.Drive, m.Initrd = "", file
		return m.Start, initramfs.WriteImage(file, r.base, p)
	})
}

// guest runs a guest to its own end. ready makes its file and says how to start it.
func (r *rig) guest(ctx context.Context, do task, ready func(*vm.Machine, string, initramfs.Payload) (starter, error)) (t trip, err error) {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	file := filepath.Join(r.dir, "guest-"+rand.Text())
	defer os.Remove(file)
	began := time.Now()
	payload := r.payload(do)
	m, frames := r.machine, newFrames(payload.Plan.Nonce)
	defer frames.end()
	m.Report = frames.in
	start, err := ready(&m, file, payload)
	if err != nil {
		return t, err
	}
	p, err := start(ctx)
	if err != nil {
		return t, err
	}
	defer p.Kill()
	if err := frames.await(p, func(f wire.Frame) bool { return f.Kind == wire.KindHello }); err != nil {
		return t, err
	}
	t.hello = time.Since(began)
	out, err := p.Wait()
	t.whole = time.Since(began)
	frames.end()
	return t, errors.Join(err, frames.wellDone(out, do))
}

// frames follows what a guest says.
type frames struct {
	in    *io.PipeWriter
	heard chan wire.Frame
	done  chan struct{}
	guest *judge.Guest // complete once done is closed
}

func newFrames(nonce string) *frames {
	out, in := io.Pipe()
	f := &frames{in: in, heard: make(chan wire.Frame, 1<<12), done: make(chan struct{}), guest: judge.NewGuest(nonce)}
	go func() {
		defer close(f.done)
		for r := wire.NewReader(out); ; {
			frame, err := r.Next()
			if err != nil {
				out.CloseWithError(err) // who still writes must not wait
				return
			}
			if f.guest.Add(frame) {
				select {
				case f.heard <- frame:
				default: // nobody waits for this one any more
				}
			}
		}
	}()
	return f
}

// await returns when a frame that fits has come, or says how the guest ended before.
func (f *frames) await(p *vm.Process, fits func(wire.Frame) bool) error {
	for {
		select {
		case frame := <-f.heard:
			if fits(frame) {
				return nil
			}
		case <-p.Done():
			out, _ := p.Wait()
			return fmt.Errorf("the guest ended too early, by %s", out.Reason)
		}
	}
}

// end waits until all that was said is in the guest.
func (f *frames) end() {
	f.in.Close()
	<-f.done
}

// wellDone says what is wrong with a guest that was to end by itself. Only what worked may be timed.
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
			return fmt.Errorf("the guest could not load or unload %s: %w", call.Module, call)
		}
	}
	return nil
}
