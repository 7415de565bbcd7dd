package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
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
	made     float64 // seconds that the template took
}

// guestLimit bounds every guest: none of them does anything that takes long.
const guestLimit = 5 * time.Minute

func (r *rig) release() string { return r.tree.Target.Release }

// ready makes the template unless it is there: it boots the kernel and freezes the guest.
func (r *rig) ready(ctx context.Context) error {
	if r.template != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	files, err := harness.ChannelModules(r.tree)
	if err != nil {
		return err
	}
	image, template := filepath.Join(r.dir, "template.cpio"), filepath.Join(r.dir, "template")
	r.machine.Initrd, r.machine.Drive, r.machine.Args = image, filepath.Join(r.dir, "empty.drive"), []string{wire.NonceArg + "bench"}
	if err := errors.Join(initramfs.WriteTemplateImage(image, r.base, files), initramfs.EmptyDrive(r.machine.Drive)); err != nil {
		return err
	}
	began := time.Now()
	m, frames := r.machine, newFrames("bench")
	m.Report = frames.in
	p, err := m.StartTemplate(ctx, template)
	if err != nil {
		return err
	}
	defer p.Wait()
	defer p.Kill()
	if err = frames.until(p, func(f wire.Frame) bool { return f.Kind == wire.KindReady }); err == nil {
		frames.discard()
		err = p.Save(ctx)
	}
	if err != nil {
		return fmt.Errorf("make template: %w", err)
	}
	r.template, r.made = template, time.Since(began).Seconds()
	return nil
}

// task is what a guest does with the driver.
type task int

const (
	arrive task = iota // the guest reads its payload, says hello, and ends
	pass               // it loads the driver and unloads it, looking around before and after as for every cell, and ends
	hold               // it keeps the driver loaded until it is ended
)

// payload holds the driver, whatever the task.
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

// trip is how many seconds one guest took, from before its payload was written.
type trip struct{ hello, whole float64 }

func (r *rig) clone(ctx context.Context, do task) (trip, error) { return r.guest(ctx, do, r.restore) }

func (r *rig) restore(ctx context.Context, m *vm.Machine, file string, p initramfs.Payload) (*vm.Process, error) {
	m.Drive = file
	if err := initramfs.WriteDrive(file, p); err != nil {
		return nil, err
	}
	return m.Restore(ctx, r.template)
}

// cold runs the task in a guest that boots, with the same kernel and base image.
func (r *rig) cold(ctx context.Context, do task) (trip, error) {
	return r.guest(ctx, do, func(ctx context.Context, m *vm.Machine, file string, p initramfs.Payload) (*vm.Process, error) {
		m.Drive, m.Initrd = "", file
		lines, err := harness.LineModules(r.tree)
		if err != nil {
			return nil, err
		}
		p.Files = append(lines, p.Files...)
		if err := initramfs.WriteImage(file, r.base, p); err != nil {
			return nil, err
		}
		return m.Start(ctx)
	})
}

// guest runs a guest to its own end. start writes its file and starts it.
func (r *rig) guest(ctx context.Context, do task, start func(context.Context, *vm.Machine, string, initramfs.Payload) (*vm.Process, error)) (t trip, err error) {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	file := filepath.Join(r.dir, "guest-"+rand.Text())
	defer os.Remove(file)
	began := time.Now()
	payload := r.payload(do)
	m, frames := r.machine, newFrames(payload.Plan.Nonce)
	m.Report = frames.in
	p, err := start(ctx, &m, file, payload)
	if err != nil {
		return t, err
	}
	defer p.Kill()
	if err := frames.until(p, func(f wire.Frame) bool { return f.Kind == wire.KindHello }); err != nil {
		return t, err
	}
	t.hello = time.Since(began).Seconds()
	err = frames.rest(p, r.release(), map[task]int{pass: len(r.modules)}[do])
	t.whole = time.Since(began).Seconds()
	return t, err
}

// hold starts n clones, each with the driver loaded, and reads the memory of all of them while they idle.
func (r *rig) hold(ctx context.Context, n int) (used []usage, err error) {
	ctx, cancel := context.WithTimeout(ctx, guestLimit)
	defer cancel()
	for range n {
		end, err := r.holdOne(ctx)
		if err != nil {
			return nil, err
		}
		defer end()
	}
	select {
	case <-time.After(time.Second): // until they idle
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	pids := guests()
	if len(pids) != n {
		return nil, fmt.Errorf("%d guests run, not %d", len(pids), n)
	}
	for _, pid := range pids {
		u, err := memoryOf(pid)
		if err != nil {
			return nil, err
		}
		used = append(used, u)
	}
	return used, nil
}

// holdOne starts a clone that loads the driver and then waits at a shell that nobody types into. end ends it.
func (r *rig) holdOne(ctx context.Context) (end func(), err error) {
	payload := r.payload(hold)
	silence, typist := io.Pipe()
	m, frames := r.machine, newFrames(payload.Plan.Nonce)
	m.Report, m.Terminal = frames.in, struct {
		io.Reader
		io.Writer
	}{silence, io.Discard}
	p, err := r.restore(ctx, &m, filepath.Join(r.dir, "held-"+rand.Text()), payload)
	if err != nil {
		return nil, err
	}
	end = func() {
		p.Kill()
		typist.Close()
		p.Wait()
		os.Remove(m.Drive)
	}
	loaded := func(f wire.Frame) bool { return f.Kind == wire.KindStage && f.Stage == wire.StageLoad && f.Done }
	if err := frames.until(p, loaded); err != nil {
		end()
		return nil, err
	}
	frames.discard()
	return end, nil
}

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
