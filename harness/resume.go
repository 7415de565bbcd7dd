package harness

import (
	"fmt"
	"time"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// open opens the folder of results and begins or continues its journal. After a *UsageError nothing in it was changed.
func (rs *records) open() (err error) {
	out, log, broken := openOutput(rs.plan.Spec.Out)
	if out == nil {
		return broken
	}
	defer func() {
		if err != nil {
			_ = out.close()
		}
	}()
	rs.out = out
	if err := rs.takeEarlier(log, broken); err != nil {
		return rs.notWith(err)
	}
	rs.noticeEarlier(log)
	kept := rs.kept()
	err = out.sweep(kept)
	switch {
	case err != nil:
	case rs.plan.Spec.New && log.Head != nil && rs.id == log.Head.Run.ID: // nothing is new, and all of it is there
	case rs.plan.Spec.New && len(kept) > 0:
		err = out.log.Restart(rs.head(), kept)
	case len(kept) > 0:
		err = out.log.Begin(rs.head())
	default:
		err = out.log.Reset(rs.head())
	}
	return out.trouble(err, len(rs.plan.Cells()))
}

// takeEarlier adopts what the folder of results holds: by --resume, by --new, or not at all.
func (rs *records) takeEarlier(log results.Log, broken error) error {
	switch s := rs.plan.Spec; {
	case !s.New && !s.Resume:
		return nil
	case broken != nil:
		return broken
	case s.New:
		return rs.adopt(log)
	}
	return rs.resume(log)
}

// notWith is the mistake of asking for --resume or --new where err stands against it.
func (rs *records) notWith(err error) error {
	flag := "--resume"
	if rs.plan.Spec.New {
		flag = "--new"
	}
	return &UsageError{fmt.Errorf("%s: %w; without %s, the run is made anew", flag, err, flag)}
}

func (rs *records) noticeEarlier(log results.Log) {
	judged, text := count(log.Records, final), ""
	switch n := len(rs.done); {
	case rs.plan.Spec.New: // adopt reported it
		return
	case n > 0:
		text = fmt.Sprintf("resuming the run of %s: %d of %d cells are judged", rs.started.Local().Format(time.DateTime), n, len(rs.plan.Cells()))
	case rs.plan.Spec.Resume:
		text = "--resume: no cell is judged in " + rs.plan.Spec.Out + ", so the run begins anew"
	case judged > 0 && !log.Finished:
		text = fmt.Sprintf("an unfinished run with %d judged cells was in %s, and is replaced: --resume would have continued it", judged, rs.plan.Spec.Out)
	default:
		return
	}
	rs.h.Notice(text)
}

// final reports whether rec is a verdict about the module, which another run would only repeat. What went wrong on our side, or was never
// run, is no verdict; and where the kernel's own copy was run beside it, of that either.
func final(rec results.Record) bool {
	if rec.InTreeRun != nil && !final(rec.InTreeRun.Record) {
		return false
	}
	return rec.Status == results.Pass || rec.Status == results.Fail || rec.Status == results.Skip
}

// resume adopts what an earlier run of the same plan has judged. It returns an error, and adopts nothing, where the plan was
// another one, or where something would be lost.
func (rs *records) resume(log results.Log) error {
	if log.Head == nil {
		return nil
	}
	if err := differ(log.Head.Facts, rs.facts()); err != nil {
		return err
	}
	planned := map[results.Cell]bool{}
	for _, c := range rs.plan.Cells() {
		planned[c] = true
	}
	was, _ := kernelFacts(log.Head.Facts)
	for _, rec := range log.Records {
		c := results.Cell{Target: rec.Target.Label(), Suite: rec.Suite}
		switch {
		case !planned[c] && rs.keepBeside(rec, was):
		case !final(rec):
		case !planned[c]:
			return fmt.Errorf("the run in %s also judged %s with %s, which is not asked for now", rs.plan.Spec.Out, c.Target, c.Suite)
		case rs.out.Has(rec.Files()):
			rs.done[c], rs.earlier[c] = true, rec
		}
	}
	if len(rs.done) == 0 {
		return nil
	}
	rs.id, rs.started = log.Head.Run.ID, log.Head.Run.Started
	rs.module.Name, rs.module.Version = log.Head.Module.Name, log.Head.Module.Version
	rs.verdict.Accel = vm.Accel{Name: log.Head.Run.Host.Accelerator, CPU: log.Head.Run.Host.CPUModel}
	return nil
}

// reportEarlier shows the adopted records as if they had just come. From then on only the journal has them.
func (rs *records) reportEarlier() {
	for _, c := range rs.plan.Cells() {
		if rec, ok := rs.earlier[c]; ok {
			rs.know(c.Target, rec.Target)
			rs.h.event(results.Event{Kind: results.EventRecord, Target: c.Target, Suite: c.Suite, Record: &rec, Left: rs.left()})
		}
	}
	rs.earlier = nil
}
