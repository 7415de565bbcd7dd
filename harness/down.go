package harness

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/here"
)

// A module that is loaded into the machine's own kernel may take the machine with it: it hangs, panics, is reset by its user. Before each
// step, the helper writes down what it is about to do. Where that is still there after a reboot, it is what the machine was doing, and
// the cell is judged by it, and by what the kernel kept of its log; it is not run again.

// crash is what an earlier boot of this machine was doing to it when it ended.
type crash struct {
	file  string // in the folder of results
	doing []wire.Doing
}

func (c crash) last() wire.Doing { return c.doing[len(c.doing)-1] }

// readCrashes reads what runs into the folder of results have left of earlier boots. What is of this boot is of a run that was killed.
func (r *run) readCrashes() error {
	out := r.records.out
	names, err := fs.Glob(out.FS(), hereName)
	if err != nil || len(names) == 0 {
		return err
	}
	boot, err := here.BootID()
	if err != nil {
		return err
	}
	for _, name := range names {
		c := crash{file: name}
		if f, err := out.FS().Open(name); err == nil {
			c.doing = wire.ReadDoings(io.LimitReader(f, maxDoingFile))
			f.Close()
		}
		switch {
		case len(c.doing) == 0 || c.last().Boot == boot:
			_ = out.Remove(name) // nothing was done yet, or the machine has survived it
		case r.awaits(c.last()):
			r.here.crash = append(r.here.crash, c)
		}
	}
	return nil
}

const maxDoingFile = 64 << 20

// awaits reports whether d is of a cell of this run, and says to the user what is not.
func (r *run) awaits(d wire.Doing) bool {
	about := fmt.Sprintf("this machine went down on %s, during %s of %s", d.Time.Local().Format(time.DateTime), d.Stage, strings.Join(d.Modules, ", "))
	var whynot string
	switch t, ok := r.plan.Here(); {
	case !ok:
		whynot = "-k here, with the same arguments, judges that"
	case d.Label != Label(t):
		whynot = fmt.Sprintf("that was under %s, which is judged where it runs", d.Release)
	case d.Source != r.records.module.SourceDigest:
		whynot = "the source is another now, so that says nothing of it"
	case !slices.ContainsFunc(r.plan.Suites, func(s Suite) bool { return s.Name == d.Suite }):
		whynot = "its suite " + d.Suite + " is not asked for now"
	default:
		r.h.Notice(about + ": that is judged, and not done again")
		return true
	}
	r.h.Notice(about + ": " + whynot)
	return false
}

// wentDown is what is known of the guest of s where the machine went down in its place; false where it did not.
func (s *session) wentDown(ctx context.Context) (out outcome, down bool) {
	r := s.cell.run
	var only []string
	if s.task.part != nil {
		only = s.task.part.only
	}
	i := slices.IndexFunc(r.here.crash, func(c crash) bool {
		return slices.Contains(s.task.suites, c.last().Suite) && slices.Equal(c.last().Only, only)
	})
	if i < 0 || s.task.list || s.task.bare {
		return out, false
	}
	c := r.here.crash[i]
	last := c.last()
	out.rounds, out.down = replay(c.doing, s.task.suites), c.file
	out.end = judge.Ending{Reason: string(vm.GuestReset)}
	kept, err := r.h.pstore(ctx)
	if err != nil {
		out.notes = append(out.notes, "what the kernel kept of its log could not be read: "+err.Error())
	}
	out.log = []byte(here.Last(kept, wire.MarkerHead(last.Nonce), last.Time.Add(-time.Minute)))
	return out, true
}

// replay makes the frames of what was done, as far as that was written down.
func replay(doing []wire.Doing, suites []string) *judge.Rounds {
	last := doing[len(doing)-1]
	rounds, seq := judge.NewRounds(last.Nonce, suites...), uint64(0)
	add := func(f wire.Frame, d wire.Doing) {
		seq++
		f.Nonce, f.Seq, f.At, f.Suite = last.Nonce, seq, d.Time.Sub(doing[0].Time).Milliseconds(), d.Suite
		rounds.Add(f)
	}
	rounds.Add(wire.Frame{Kind: wire.KindHello, Nonce: last.Nonce, Seq: 1, Release: last.Release})
	seq = 1
	if last.Spec != "" {
		add(wire.Frame{Kind: wire.KindPlan, Specs: []wire.Spec{{Name: last.Spec}}}, last)
	}
	stage := ""
	for _, d := range doing {
		if d.Spec != "" {
			add(wire.Frame{Kind: wire.KindSpecStart, Spec: &wire.Spec{Name: d.Spec}}, d)
			continue
		}
		if stage == wire.StageLoad {
			for _, name := range d.Modules {
				add(wire.Frame{Kind: wire.KindLoad, Module: name}, d)
			}
		}
		if stage != "" {
			add(wire.Frame{Kind: wire.KindStage, Stage: stage, Done: true}, d)
		}
		stage = d.Stage
		add(wire.Frame{Kind: wire.KindStage, Stage: stage}, d)
	}
	return rounds
}

// judged removes what was written down for a cell, once its record is safe.
func (r *run) judged(c results.Cell) {
	if c.Target == "" || r.here == nil {
		return
	}
	for _, crash := range r.here.crash {
		if d := crash.last(); d.Label == c.Target && d.Suite == c.Suite {
			_ = r.records.out.Remove(crash.file)
		}
	}
}

// readPstore reads what this machine's kernel kept of its log; where that takes root's rights, the helper does.
func readPstore(ctx context.Context) ([]here.Kept, error) {
	kept, err := here.Pstore(here.Folders...)
	if err == nil {
		return kept, nil
	}
	argv, err := helper(wire.PstoreWord)
	if err != nil {
		return kept, err
	}
	return here.AskPstore(ctx, argv)
}
