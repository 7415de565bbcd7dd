package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// boot runs the cell's guest and adds what it tells to e. It gives the console; an error is trouble of ours.
func (c *cell) boot(ctx context.Context, f *frozen, e *Evidence) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.failed != nil {
		e.Guest, e.End, e.Tail = f.failed.Guest, f.failed.End, f.failed.Tail
		return f.console, nil
	}
	plan, payload, err := c.payload()
	if err != nil {
		return nil, err
	}
	g := NewGuest(plan.Nonce)
	e.Guest = g
	log := &vm.BoundedLog{}
	e.End, err = c.guest(ctx, f, payload, log, nil, g)
	text := log.Bytes()
	c.readConsole(e, text, log.Total() > int64(len(text)))
	return text, err
}

// guest runs one guest to its end and folds its frames into g.
func (c *cell) guest(ctx context.Context, f *frozen, payload initramfs.Payload, log io.Writer, term io.ReadWriter, g *Guest) (Ending, error) {
	frames, report := io.Pipe()
	m := f.machine
	m.Console, m.Report, m.Terminal = log, report, term
	c.stage(c.bootEvent(), StateStart, "", 0)
	began := time.Now()
	file := filepath.Join(c.work, "guest-"+rand.Text())
	defer os.Remove(file)
	p, clone, err := c.start(ctx, f, m, payload, file)
	if err != nil {
		c.stage(c.bootEvent(), StateFailed, err.Error(), time.Since(began))
		return Ending{}, err
	}
	w := newWatch(c.limits(c.plan.Spec), p.Kill)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.listen(wire.NewReader(frames), g, w, began, clone)
		io.Copy(io.Discard, frames) // a guest that only sends rubbish must not be stuck for it
	}()
	out, err := p.Wait()
	report.Close()
	<-done
	end := w.stop()
	end.Reason, end.Stderr = string(out.Reason), lastLine(out.Stderr)
	if err != nil && ctx.Err() == nil && end.Late == "" {
		return end, err
	}
	return end, nil
}

func (c *cell) bootEvent() Event {
	return Event{Kind: EventStage, Target: Label(c.tree.Target), Suite: c.suite, Stage: results.StageBoot}
}

// start gives a running guest with the payload in file: a clone where there is a template, else one that boots. A template that turns out to be
// of no use is discarded, so that the next run makes it anew.
func (c *cell) start(ctx context.Context, f *frozen, m vm.Machine, payload initramfs.Payload, file string) (p *vm.Process, clone bool, err error) {
	if f.dir != "" {
		if f.console != nil {
			m.Console.Write(f.console)
		}
		m.Drive = file
		if err := initramfs.WriteDrive(file, payload); err != nil {
			return nil, false, fmt.Errorf("write payload: %w", err)
		}
		p, err = m.Restore(ctx, f.dir)
		if err == nil || !errors.Is(err, vm.ErrTemplate) {
			return p, true, err
		}
		c.event(Event{Kind: EventNotice, Text: Label(c.tree.Target) + ": " + err.Error() + "; booting instead"})
		_ = c.dropTemplate(f)
	} else {
		c.tellCold(f)
	}
	base, err := c.baseImage()
	if err != nil {
		return nil, false, err
	}
	m.Drive, m.Initrd = "", file
	if err := initramfs.WriteImage(file, base, payload); err != nil {
		return nil, false, fmt.Errorf("write guest image: %w", err)
	}
	p, err = m.Start(ctx)
	return p, false, err
}

// tellCold says once for each kernel that its guests boot, and why.
func (c *cell) tellCold(f *frozen) {
	f.told.Do(func() {
		c.event(Event{Kind: EventNotice, Text: Label(c.tree.Target) + " cannot be frozen, so each of its guests boots: " + f.why})
	})
}

// listen folds frames into g until the guest falls silent, and tells whoever watches the run.
func (c *cell) listen(r *wire.Reader, g *Guest, w *watch, began time.Time, clone bool) {
	for {
		f, err := r.Next()
		if err != nil {
			return
		}
		if !g.Add(f) {
			continue
		}
		w.heard(stageOf(g))
		if f.Kind == wire.KindHello {
			if clone {
				c.restored = time.Since(began)
			}
			c.stage(c.bootEvent(), StateDone, "", time.Since(began))
			continue
		}
		c.tellFrame(f, g)
	}
}

func (c *cell) tellFrame(f wire.Frame, g *Guest) {
	ev := Event{Kind: EventStage, Target: Label(c.tree.Target), Suite: c.suite, Stage: results.Stage(f.Stage)}
	took := time.Duration(g.Took[results.Stage(f.Stage)]) * time.Millisecond
	switch f.Kind {
	case wire.KindStage:
		state := StateStart
		if f.Done {
			state = StateDone
		}
		c.stage(ev, state, "", took)
	case wire.KindSpecStart, wire.KindSpecEnd:
		if f.Spec == nil {
			return
		}
		ev.Kind, ev.Stage, ev.State = EventSpec, results.StageTest, StateStart
		if f.Kind == wire.KindSpecEnd {
			ev.State = StateDone
		}
		ev.Text, ev.Done, ev.Total = f.Spec.Name, int64(len(g.Specs)), int64(len(g.Planned))
		c.event(ev)
	}
}
