package harness

import (
	"cmp"
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

// told is what one guest told, and how it went with it.
type told struct {
	rounds   *rounds // nil: there never was a guest
	end      Ending
	log      []byte // of the console
	cut      bool   // there was more of it
	before   int    // how much of log is from before the guest had its payload
	took     time.Duration
	restored time.Duration // until a clone said hello; zero for a guest that was booted
	err      error         // trouble of ours
}

// do runs one guest to its end. An error is trouble of ours; what the guest told up to it is there all the same.
func (c *cell) do(ctx context.Context, f *frozen, v errand) (told, error) {
	plan, payload, err := c.payload(v)
	if err != nil {
		return told{}, err
	}
	t := told{rounds: newRounds(plan.Nonce, v.suites...)}
	log := &vm.BoundedLog{}
	err = c.guest(ctx, f, payload, log, nil, &t)
	t.log = log.Bytes()
	t.cut = log.Total() > int64(len(t.log))
	return t, err
}

// guest runs a guest with payload, and fills in what it tells.
func (c *cell) guest(ctx context.Context, f *frozen, payload initramfs.Payload, log io.Writer, term io.ReadWriter, t *told) error {
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
		return err
	}
	if clone {
		t.before = len(f.console)
	}
	w := newWatch(c.limits(c.plan.Spec), giveUp(p, log, payload.Plan.Nonce))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if hello := c.listen(wire.NewReader(frames), t.rounds, w, began); clone {
			t.restored = hello
		}
		io.Copy(io.Discard, frames) // a guest that only sends rubbish must not be stuck for it
	}()
	out, err := p.Wait()
	report.Close()
	<-done
	t.end = w.stop()
	t.end.Reason, t.end.Stderr = string(out.Reason), lastLine(out.Stderr)
	if err != nil && ctx.Err() == nil && t.end.Late == "" {
		return err
	}
	return nil
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

// listen folds frames into r until the guest falls silent, and tells whoever watches the run. It gives the time until
// the guest said hello.
func (c *cell) listen(frames *wire.Reader, r *rounds, w *watch, began time.Time) (hello time.Duration) {
	for {
		f, err := frames.Next()
		if err != nil {
			return hello
		}
		if !r.Add(f) {
			continue
		}
		w.heard(stageOf(r.current()))
		if f.Kind == wire.KindHello {
			hello = time.Since(began)
			c.stage(c.bootEvent(), StateDone, "", hello)
			continue
		}
		c.tellFrame(f, r.current())
	}
}

func (c *cell) tellFrame(f wire.Frame, g *Guest) {
	ev := Event{Kind: EventStage, Target: Label(c.tree.Target), Suite: cmp.Or(f.Suite, c.suite), Stage: results.Stage(f.Stage)}
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
