package harness

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// told is what one guest told, and how it went with it.
type told struct {
	rounds   *judge.Rounds // nil: there never was a guest
	end      judge.Ending
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
	t := told{rounds: judge.NewRounds(plan.Nonce, v.suites...)}
	err = c.guest(ctx, f, payload, nil, &t)
	return t, err
}

// guest runs a guest with payload, and fills in what it tells.
func (c *cell) guest(ctx context.Context, f *frozen, payload initramfs.Payload, term io.ReadWriter, t *told) error {
	c.stage(c.bootEvent(), results.StateStart, "", 0)
	began := time.Now()
	limits := c.deadlines(c.tree.Target)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	up := time.AfterFunc(limits.whole, func() { cancel(fmt.Errorf("QEMU did not come up in %v", limits.whole)) })
	l, err := c.start(ctx, f, payload, term)
	up.Stop()
	if err != nil {
		c.stage(c.bootEvent(), results.StateFailed, err.Error(), time.Since(began))
		return err
	}
	defer l.end()
	if l.clone {
		t.before = len(f.console)
	}
	w := newWatch(limits, giveUp(l.Process, l.log, payload.Plan.Nonce, limits.ask))
	asks := newOutlet(ctx, l.Process, payload.Plan.Nonce)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if hello := c.listen(wire.NewReader(l.frames), t.rounds, w, asks, began); l.clone {
			t.restored = hello
		}
		io.Copy(io.Discard, l.frames) // a guest that only sends rubbish must not be stuck for it
	}()
	out, err := l.Wait()
	l.report.Close()
	<-done
	asks.close()
	t.end = w.stop()
	t.end.Reason, t.end.Stderr = string(out.Reason), judge.LastLine(out.Stderr)
	t.log = l.log.Bytes()
	t.cut = l.log.Dropped() > 0
	if err != nil && ctx.Err() == nil && t.end.Late == "" {
		return err
	}
	return nil
}

func (c *cell) bootEvent() results.Event {
	return results.Event{Kind: results.EventStage, Target: Label(c.tree.Target), Suite: c.suite, Guest: c.guestName(), Stage: results.StageBoot}
}

// guestName tells the guests of a cell apart; empty where there is one.
func (c *cell) guestName() string {
	if len(c.only) == 0 {
		return ""
	}
	return c.only[0]
}

// tellCold says once for each kernel that its guests boot, and why.
func (c *cell) tellCold(f *frozen) {
	f.told.Do(func() {
		c.event(results.Event{Kind: results.EventNotice, Text: Label(c.tree.Target) + " cannot be frozen, so each of its guests boots: " + f.why})
	})
}

// listen folds frames into r until the guest falls silent, and tells whoever watches the run. It gives the time until
// the guest said hello.
func (c *cell) listen(frames *wire.Reader, r *judge.Rounds, w *watch, asks *outlet, began time.Time) (hello time.Duration) {
	for {
		f, err := frames.Next()
		if err != nil {
			return hello
		}
		if !r.Add(f) {
			continue
		}
		w.heard(judge.StageOf(r.Current()), c.callsLeft(r.Current()))
		asks.ask(f)
		if f.Kind == wire.KindHello {
			hello = time.Since(began)
			c.stage(c.bootEvent(), results.StateDone, "", hello)
			continue
		}
		c.tellFrame(f, r.Current())
	}
}

// callsLeft counts the modules that g has still to load or unload in its stage. What a stage does besides, such as a search
// for lost memory, takes the time that it takes.
func (c *cell) callsLeft(g *judge.Guest) int {
	switch judge.StageOf(g) {
	case results.StageLoad:
		return max(1, len(c.built.Modules)-len(g.Loads))
	case results.StageUnload:
		return len(g.Loads) - len(g.Unloads)
	}
	return 0
}

func (c *cell) tellFrame(f wire.Frame, g *judge.Guest) {
	ev := results.Event{Kind: results.EventStage, Target: Label(c.tree.Target), Suite: cmp.Or(f.Suite, c.suite), Guest: c.guestName(), Stage: results.Stage(f.Stage)}
	took := time.Duration(g.Took[results.Stage(f.Stage)]) * time.Millisecond
	switch f.Kind {
	case wire.KindStage:
		state := results.StateStart
		if f.Done {
			state = results.StateDone
		}
		c.stage(ev, state, "", took)
	case wire.KindSpecStart, wire.KindSpecEnd:
		if f.Spec == nil {
			return
		}
		ev.Kind, ev.Stage, ev.State = results.EventSpec, results.StageTest, results.StateStart
		if f.Kind == wire.KindSpecEnd {
			ev.State = results.StateDone
		}
		ev.Text, ev.Done, ev.Total = f.Spec.Name, int64(len(g.Specs)), int64(len(g.Planned))
		if c.tally != nil {
			ev.Done, ev.Total = c.tally.count(f.Kind == wire.KindSpecEnd)
		}
		c.event(ev)
	}
}
