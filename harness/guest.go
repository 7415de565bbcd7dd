package harness

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// task is what one guest is started for. The zero value loads the module, runs nothing, and ends.
type task struct {
	suites []string      // a round for each
	part   *part         // of the cell, where there is one suite; nil: all of it
	list   bool          // only list the specs
	shell  bool          // give a shell with the module loaded, and run no suite
	debug  *debugger     // that a shell's guest waits for before it loads the module; nil: it does not
	bare   bool          // without the module: the kernel alone
	settle time.Duration // after each suite and unload; zero: the guest's default
}

// hasOwn reports whether the guest gets the tester's USB devices: it is to load the module.
func (t task) hasOwn() bool { return !t.list && !t.bare }

type outcome struct {
	rounds   *judge.Rounds // nil: there never was a guest
	end      judge.Ending
	log      []byte // of the console
	cut      bool   // there was more of it
	before   int    // how much of log is from before the guest had its payload
	took     time.Duration
	restored time.Duration // until a clone said hello; zero for a guest that was booted
	err      error         // infrastructure trouble
	notes    []string      // what a reader should know of it
	down     string        // the machine went down in its place, as this file says; empty: it did not
}

type session struct {
	cell *cell
	task task
}

// run runs the guest to its end. An error is infrastructure trouble; what the guest showed up to it is there all the same.
func (s *session) run(ctx context.Context, t *template, term io.ReadWriter) (out outcome, err error) {
	if isHere(s.cell.tree.Target) {
		return s.runHere(ctx)
	}
	payload, err := s.payload()
	if err != nil {
		return out, err
	}
	nonce := payload.Plan.Nonce
	boot := s.progress(results.StageBoot)
	s.stage(boot, results.StateStart, "", 0)
	began := time.Now()
	limits := s.cell.limits().under(t.machine.Accel)
	if s.task.debug != nil { // it stands still for as long as somebody looks at it
		limits = limits.patient()
	}
	payload.Plan.PatienceMS = (limits.still / 2).Milliseconds()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	up := time.AfterFunc(limits.whole, func() { cancel(fmt.Errorf("QEMU did not come up in %v", limits.whole)) })
	m, err := s.cell.run.pool.start(ctx, t, payload, ports{term, s.task.debug.socket()})
	up.Stop()
	out.rounds = judge.NewRounds(nonce, s.task.suites...)
	if err != nil {
		s.stage(boot, results.StateFailed, err.Error(), time.Since(began))
		return out, err
	}
	defer m.end()
	if m.clone {
		out.before = len(t.console)
	}
	if s.task.hasOwn() {
		if err := s.cell.run.own.toGuest(ctx, s.cell.run.h.handOver(m.Process)); err != nil {
			s.stage(boot, results.StateFailed, err.Error(), time.Since(began))
			return out, err
		}
	}
	dog := newWatchdog(limits, s.cell.run.h.now, m.Starved, giveUp(m.Process, m.log, nonce, limits.ask))
	heard := make(chan error, 1)
	go func() { heard <- s.attend(ctx, m, nonce, &out, began, dog) }()
	ended, err := m.Wait()
	m.report.Close()
	fault := <-heard
	out.end = dog.stop()
	out.end.Reason, out.end.Stderr = string(ended.Reason), judge.LastLine(ended.Stderr)
	out.log, out.cut = m.log.Bytes(), m.log.Dropped() > 0
	if ctx.Err() != nil || out.end.Late != "" {
		err = nil // it was ended, and that is no trouble
	}
	return out, cmp.Or(fault, err)
}

// attend hears m until it has nothing more to say, and does what it asks for. An error is ours, and has ended the guest.
func (s *session) attend(ctx context.Context, m *machine, nonce string, out *outcome, began time.Time, dog *watchdog) (err error) {
	plugs := newPlugServer(ctx, m.Process, nonce)
	defer plugs.close()
	hello := s.listen(wire.NewReader(m.frames), out.rounds, began, func(f wire.Frame, g *judge.Guest) {
		dog.heard(f, judge.StageOf(g), s.callsLeft(g), s.cell.dozes)
		plugs.ask(f)
		if fault := s.task.debug.serve(ctx, m, f, nonce); fault != nil {
			err = fault
			m.Kill()
		}
	})
	if m.clone {
		out.restored = hello
	}
	io.Copy(io.Discard, m.frames) // a guest that only sends rubbish must not be stuck for it
	return err
}

func (s *session) progress(stage results.Stage) results.Event {
	return results.Event{Kind: results.EventStage, Target: Label(s.cell.tree.Target), Suite: s.cell.suite, Guest: s.task.part.name(), Stage: stage}
}

func (s *session) stage(ev results.Event, state results.State, text string, took time.Duration) {
	ev.State, ev.Text, ev.Elapsed = state, text, took
	s.cell.event(ev)
}

// listen adds frames to r until there are no more, calls heard with each, and returns the time until the guest said hello.
func (s *session) listen(frames *wire.Reader, r *judge.Rounds, began time.Time, heard func(wire.Frame, *judge.Guest)) (hello time.Duration) {
	for {
		f, err := frames.Next()
		if err != nil {
			return hello
		}
		if !r.Add(f) {
			continue
		}
		heard(f, r.Current())
		if f.Kind == wire.KindHello {
			hello = time.Since(began)
			s.stage(s.progress(results.StageBoot), results.StateDone, "", hello)
			continue
		}
		s.report(f, r.Current())
	}
}

// callsLeft counts the modules that g has still to load or unload in its stage; what a stage does besides is not limited.
func (s *session) callsLeft(g *judge.Guest) int {
	switch judge.StageOf(g) {
	case results.StageLoad:
		return max(1, len(s.cell.built.Modules)-len(g.Loads))
	case results.StageUnload:
		return g.Loaded() - len(g.Unloads)
	}
	return 0
}

func (s *session) report(f wire.Frame, g *judge.Guest) {
	ev := s.progress(results.Stage(f.Stage))
	ev.Suite = cmp.Or(f.Suite, s.cell.suite)
	took := time.Duration(g.Took[ev.Stage]) * time.Millisecond
	switch f.Kind {
	case wire.KindStage:
		s.stage(ev, stateOf(f.Done), "", took)
	case wire.KindSpecStart, wire.KindSpecEnd:
		if f.Spec == nil {
			return
		}
		ended := f.Kind == wire.KindSpecEnd
		ev.Kind, ev.Stage, ev.State = results.EventSpec, results.StageTest, stateOf(ended)
		ev.Text, ev.Done, ev.Total = f.Spec.Name, int64(len(g.Specs)), int64(len(g.Planned))
		if !s.task.part.whole() {
			ev.Done, ev.Total = s.task.part.tally.count(ended)
		}
		s.cell.event(ev)
	}
}

func stateOf(done bool) results.State {
	if done {
		return results.StateDone
	}
	return results.StateStart
}
