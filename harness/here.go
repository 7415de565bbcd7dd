package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/here"
)

// The selector "here" is the running kernel of this machine. There is no guest: a helper that is root does what PID 1 does in one, and
// reports by the same frames. What a guest would not survive, the machine may not survive either: see down.go.

func isHere(t kernels.Target) bool {
	source, _ := t.Origin()
	return source == kernels.Here
}

// guests reports whether the plan can need any: QEMU is asked for nothing else.
func (p *Plan) guests() bool {
	return slices.ContainsFunc(p.Spec.Kernels, func(s kernels.Selector) bool { return s.Source != kernels.Here })
}

// Here returns the kernel of this machine that the plan would load modules into; false where it would not.
func (p *Plan) Here() (kernels.Target, bool) {
	i := slices.IndexFunc(p.Targets, isHere)
	if i < 0 || p.Spec.BuildOnly {
		return kernels.Target{}, false
	}
	return p.Targets[i], true
}

// Consent is what whoever runs p must agree to before, since it is done to this very machine; empty where nothing is.
func (h *Harness) Consent(p *Plan) (string, error) {
	t, ok := p.Here()
	if !ok {
		return "", nil
	}
	argv, err := h.helper("FOLDER")
	if err != nil {
		return "", &UsageError{err}
	}
	return fmt.Sprintf(`-k here loads %s into the running kernel of this machine, %s, and runs %s as root.
Neither is in a sandbox: the machine can hang, crash or lose data. Save your work first.
What does it is started by: %s
`, p.Module.Name, t.Release, strings.Join(listOf(p.Suites, func(s Suite) string { return s.Name }), ", "), strings.Join(argv, " ")), nil
}

// agreed refuses to load anything into this machine's kernel that nobody has agreed to.
func (p *Plan) agreed() error {
	t, ok := p.Here()
	if ok && len(p.Spec.HostDevices) > 0 {
		return &UsageError{errors.New("-k here has this machine's devices as they are: leave --host-device away, which takes one out of it for guests")}
	}
	if ok && !p.Spec.Yes {
		return &UsageError{fmt.Errorf("-k here loads %s into the running kernel of this machine, %s, which it can crash: agree to that with --yes", p.Module.Name, t.Release)}
	}
	return nil
}

// helper is how this program is started to act on the machine itself.
func helper(args ...string) ([]string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program that loads modules here: %w", err)
	}
	return here.Command(program, append([]string{wire.HelperWord}, args...)...)
}

// machineHere is this machine, for one run.
type machineHere struct {
	turn  *semaphore.Weighted // there is one, so that one cell at a time has it
	gone  string              // why it is of no use any more; empty while it is
	crash []crash             // that it went down in, before this run
}

func newMachineHere() *machineHere { return &machineHere{turn: semaphore.NewWeighted(1)} }

const (
	hereLimit = 5 * time.Minute // for the helper to come up: somebody may have to type a password
	stopLimit = 5 * time.Second // for a helper to end that is past a deadline
	quitLimit = 1 * time.Second // for one to end when the user has interrupted the run; it goes on by itself
	hereName  = "here-*.jsonl"  // where it is written down what is about to be done, in the folder of results
	takesNone = "here, there are no stand-ins (--device, --plug), firmware is what /lib/firmware has, and the kernel's own copy is left alone (--compare-in-tree)"
)

// runHere is run for this machine.
func (s *session) runHere(ctx context.Context) (out outcome, err error) {
	r, m := s.cell.run, s.cell.run.here
	if err := m.turn.Acquire(ctx, 1); err != nil {
		return out, err
	}
	defer m.turn.Release(1)
	if out, ok := s.wentDown(ctx); ok {
		return out, nil
	}
	if m.gone != "" {
		return out, errors.New(m.gone)
	}
	payload, err := s.payload()
	if err != nil {
		return out, err
	}
	dir := filepath.Join(r.work, "here-"+payload.Plan.Nonce)
	defer func() { _ = store.RemoveTree(dir) }()
	limits := s.cell.limits()
	s.ofHere(&payload, limits)
	if err := initramfs.WriteFolder(dir, payload); err != nil {
		return out, err
	}
	argv, err := r.h.helper(dir)
	if err != nil {
		return out, err
	}
	return s.watchHere(ctx, argv, payload.Plan, limits)
}

// ofHere takes out of payload what only a guest can be given, and adds what the helper on this machine needs to know.
func (s *session) ofHere(payload *initramfs.Payload, limits deadlines) {
	p, r := &payload.Plan, s.cell.run
	p.Time, p.Seed, p.Plugs, p.Await, p.PatienceMS = 0, nil, nil, nil, (limits.still / 2).Milliseconds()
	name := strings.Replace(hereName, "*", rand.Text(), 1)
	p.Here = &wire.Here{Journal: filepath.Join(absolute(r.records.out.Path()), name), Label: Label(s.cell.tree.Target), Source: r.records.module.SourceDigest}
}

// absolute is path as whoever stands elsewhere needs it.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// watchHere starts the helper and watches it to its end.
func (s *session) watchHere(ctx context.Context, argv []string, plan wire.Plan, limits deadlines) (out outcome, err error) {
	began, boot := time.Now(), s.progress(results.StageBoot)
	s.stage(boot, results.StateStart, "", 0)
	out.rounds = judge.NewRounds(plan.Nonce, s.task.suites...)
	p, err := here.Start(ctx, argv)
	if err != nil {
		s.stage(boot, results.StateFailed, err.Error(), time.Since(began))
		return out, err
	}
	log := &vm.BoundedLog{Pick: worthKeeping}
	limits.boot = hereLimit
	dog := newWatchdog(limits, s.cell.run.h.now, func() time.Duration { return 0 }, p.Stop)
	done, pid := make(chan struct{}), 0
	go func() {
		defer close(done)
		s.listen(wire.NewReader(p.Frames), out.rounds, began, func(f wire.Frame, g *judge.Guest) {
			switch f.Kind {
			case wire.KindLog:
				_, _ = log.Write([]byte(f.Text))
			case wire.KindHello:
				pid = f.Count
			}
			dog.heard(f, judge.StageOf(g), s.callsLeft(g), s.cell.dozes)
		})
	}()
	patience := min(limits.ask, stopLimit)
	ended, left := p.Wait(func() time.Duration {
		if ctx.Err() != nil {
			return quitLimit
		}
		return patience
	})
	select {
	case <-done: // all is read: some of it was still in the pipe when the helper ended
	case <-time.After(patience): // something that it left behind has the pipe
	case <-ctx.Done():
	}
	p.Frames.Close()
	<-done
	out.end = dog.stop()
	out.end.Reason, out.end.Stderr = string(ended.Reason), judge.LastLine(ended.Stderr)
	out.log, out.cut = log.Bytes(), log.Dropped() > 0
	if ctx.Err() == nil { // else the helper may still be busy, and removes its journal itself
		s.tidyHere(&out, left, pid, plan.Here.Journal)
	}
	return out, nil
}

// tidyHere draws the consequences of an end of the helper.
func (s *session) tidyHere(out *outcome, left bool, pid int, journal string) {
	r := s.cell.run
	_ = r.records.out.Remove(filepath.Base(journal))
	if left {
		const cure = "and nothing can end it: reboot this machine"
		out.notes = append(out.notes, fmt.Sprintf("process %d is left: it hangs in the kernel, %s", pid, cure))
		r.here.gone = fmt.Sprintf("process %d hangs in the kernel of this machine since %s was run, %s, then modmatrix run --resume", pid, s.cell.name(), cure)
	}
}
