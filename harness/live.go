package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// live is a guest that was started: its process, and the host's ends of its ports.
type live struct {
	*vm.Process
	clone  bool
	file   string // its drive, or the image that it boots
	log    *vm.BoundedLog
	frames *io.PipeReader
	report *io.PipeWriter
}

// newLive makes all of a guest but its process, and gives m with its ports joined to it.
func (r *run) newLive(m vm.Machine) (*live, vm.Machine) {
	l := &live{file: filepath.Join(r.work, "guest-"+rand.Text()), log: &vm.BoundedLog{Pick: worthKeeping}}
	l.frames, l.report = io.Pipe()
	m.Console, m.Report = l.log, l.report
	return l, m
}

// end kills the guest if it is still there and removes what it had.
func (l *live) end() {
	l.frames.Close()
	if l.Process != nil {
		l.Kill()
		l.Wait()
	}
	os.Remove(l.file)
}

// start gives a running guest with payload: a clone where there is a template, else one that boots. A template that turns
// out to be of no use is discarded, so that the next run makes it anew.
func (c *cell) start(ctx context.Context, f *frozen, payload initramfs.Payload, term io.ReadWriter) (*live, error) {
	if f.dir == "" {
		c.tellCold(f)
		return c.cold(ctx, f, payload, term)
	}
	if term == nil {
		if l, ok := f.wake(ctx, payload); ok {
			return l, nil
		}
	}
	l, err := c.restore(ctx, f, term, func(drive string) error { return initramfs.WriteDrive(drive, payload) }, false)
	if err == nil || !errors.Is(err, vm.ErrTemplate) {
		return l, err
	}
	c.event(results.Event{Kind: results.EventNotice, Text: Label(c.tree.Target) + ": " + err.Error() + "; booting instead"})
	_ = c.dropTemplate(f)
	return c.cold(ctx, f, payload, term)
}

// restore gives a clone, whose drive fill has written; one that is paused waits to be woken.
func (r *run) restore(ctx context.Context, f *frozen, term io.ReadWriter, fill func(drive string) error, paused bool) (*live, error) {
	l, m := r.newLive(f.machine)
	m.Drive, m.Terminal, m.Paused = l.file, term, paused
	l.clone = true
	l.log.Write(f.console)
	err := fill(l.file)
	if err != nil {
		err = fmt.Errorf("write payload: %w", err)
	} else {
		l.Process, err = m.Restore(ctx, f.dir)
	}
	if err != nil {
		l.end()
		return nil, err
	}
	return l, nil
}

// cold gives a guest that boots.
func (c *cell) cold(ctx context.Context, f *frozen, payload initramfs.Payload, term io.ReadWriter) (*live, error) {
	base, err := c.baseImage()
	if err != nil {
		return nil, err
	}
	l, m := c.newLive(f.machine)
	m.Initrd, m.Terminal = l.file, term
	if err = initramfs.WriteImage(l.file, base, payload); err != nil {
		err = fmt.Errorf("write guest image: %w", err)
	} else {
		l.Process, err = m.Start(ctx)
	}
	if err != nil {
		l.end()
		return nil, err
	}
	return l, nil
}

// restoreAhead leaves a clone of f standing by, still and without a payload, for the first cell that wants one: so the
// machine is there when the compiler is done. Whatever keeps it from coming up is met again, and told, by that cell.
func (r *run) restoreAhead(ctx context.Context, f *frozen) {
	if f.dir == "" {
		return
	}
	l, err := r.restore(ctx, f, nil, initramfs.EmptyDrive, true)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.spare = l
	f.mu.Unlock()
}

// wake gives the clone that stands by its payload and lets it run, if there is one and it is in order.
func (f *frozen) wake(ctx context.Context, payload initramfs.Payload) (*live, bool) {
	l := f.takeSpare()
	if l == nil {
		return nil, false
	}
	if initramfs.WriteDrive(l.file, payload) != nil || l.Resume(ctx) != nil {
		l.end()
		return nil, false
	}
	return l, true
}

func (f *frozen) takeSpare() *live {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.spare
	f.spare = nil
	return l
}

// dismiss ends the clone that nobody wanted, and lets go of what was known of tree's guests: each has a console.
func (r *run) dismiss(tree *kernels.Tree) {
	r.mu.Lock()
	f := r.frozen[frozenKey(tree)]
	delete(r.frozen, frozenKey(tree))
	for _, c := range []cell{{tree: tree}, {tree: tree, counterpart: true}} {
		delete(r.sharing, c.row())
	}
	r.mu.Unlock()
	if f == nil {
		return
	}
	if l := f.takeSpare(); l != nil {
		l.end()
	}
}
