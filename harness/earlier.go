package harness

import (
	"fmt"
	"time"

	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
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
	case judged > 0 && !log.Finished && differ(log.Head.Facts, rs.facts()) == nil:
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

// adopt keeps the records of an earlier run of the same module whose kernels are what they were, whatever their status, so that
// only the others are run. Those on a kernel that no selector names any more stay as well. It returns an error, and adopts
// nothing, where the records rest on something else than this run's would.
func (rs *records) adopt(log results.Log) error {
	if log.Head == nil {
		rs.h.Notice("--new: no run is recorded in " + rs.plan.Spec.Out + ", so every kernel is new")
		return nil
	}
	was, rest := kernelFacts(log.Head.Facts)
	if err := differ(rest, rs.facts()); err != nil {
		return err
	}
	rs.pick(log.Records, was)
	if len(rs.earlier) == 0 {
		rs.h.Notice("--new: no kernel is what it was in the run of " + dateOf(log.Head) + ", so all are run")
		return nil
	}
	rs.noticeNew(log)
	rs.verdict.Accel = vm.Accel{Name: log.Head.Run.Host.Accelerator, CPU: log.Head.Run.Host.CPUModel}
	if len(rs.fresh(log)) == 0 { // then it is that run, which has come to its end
		rs.id, rs.started = log.Head.Run.ID, log.Head.Run.Started
		rs.module.Name, rs.module.Version = log.Head.Module.Name, log.Head.Module.Version
		return nil
	}
	rs.mark(results.Kept{Run: log.Head.Run.ID, Started: log.Head.Run.Started})
	return nil
}

// pick keeps the records that hold, whether they are asked for now or not, with the facts that the latter rest on.
func (rs *records) pick(recs []results.Record, was map[string]string) {
	planned, now := map[results.Cell]bool{}, map[string]string{}
	for _, c := range rs.plan.Cells() {
		planned[c] = true
	}
	for _, t := range rs.plan.Targets {
		now[Label(t)] = targetDigest(t)
	}
	for _, rec := range recs {
		c := results.Cell{Target: rec.Target.Label(), Suite: rec.Suite}
		before, resolved := was[c.Target]
		digest, asked := now[c.Target]
		switch {
		case !resolved, asked && digest != before, !rs.out.Has(rec.Files()):
		case planned[c]:
			rs.done[c], rs.earlier[c] = true, rec
		default:
			rs.others = append(rs.others, c)
			rs.earlier[c] = rec
		}
		if resolved && !asked {
			rs.addFact(results.Fact{Name: kernelFact + c.Target, Value: before})
		}
	}
}

func (rs *records) addFact(f results.Fact) {
	if !slices.Contains(rs.rests, f) {
		rs.rests = append(rs.rests, f)
	}
}

// fresh lists the rows without a record, which --new is to run; not those that could not be resolved then and cannot now.
func (rs *records) fresh(log results.Log) []string {
	var labels []string
	for _, label := range rs.plan.labels() {
		missed := func(rec results.Record) bool { return rec.Target.Label() == label && rec.Status == results.Miss }
		resolved := slices.ContainsFunc(rs.plan.Targets, func(t kernels.Target) bool { return Label(t) == label })
		if len(rs.todo(label)) > 0 && (resolved || !slices.ContainsFunc(log.Records, missed)) {
			labels = append(labels, label)
		}
	}
	return labels
}

func (rs *records) noticeNew(log results.Log) {
	var kept []string
	for _, rec := range rs.kept() {
		if label := rec.Target.Label(); !slices.Contains(kept, label) {
			kept = append(kept, label)
		}
	}
	open := count(rs.kept(), func(rec results.Record) bool { return !final(rec) })
	gone := count(log.Records, func(rec results.Record) bool { return !rs.out.Has(rec.Files()) })
	fresh := rs.fresh(log)
	say := func(format string, args ...any) {
		rs.h.Notice("--new: " + fmt.Sprintf(format, args...))
	}
	if len(fresh) == 0 {
		say("no kernel is new since the run of %s: its matrix holds", dateOf(log.Head))
	} else {
		say("new are %s; kept from the run of %s are %s", strings.Join(fresh, ", "), dateOf(log.Head), strings.Join(kept, ", "))
	}
	if open > 0 {
		say("%d of the kept cells have no verdict on the module: --resume runs them again", open)
	}
	if gone > 0 {
		say("the files of %d cells are gone, and their records do not count", gone)
	}
}

// mark notes on the kept records which run they are of; one that was kept before stays of the run that made it.
func (rs *records) mark(of results.Kept) {
	for c, rec := range rs.earlier {
		if rec.Kept == nil {
			rec.Kept = &of
			rs.earlier[c] = rec
		}
	}
}

// kept lists the records of an earlier run: what is asked for in the order of the plan, then the others in theirs.
func (rs *records) kept() []results.Record {
	var recs []results.Record
	for _, c := range append(rs.plan.Cells(), rs.others...) {
		if rec, ok := rs.earlier[c]; ok {
			recs = append(recs, rec)
		}
	}
	return recs
}

// keepBeside keeps for --resume a record that --new kept and that no cell of the plan asks for; false for any other.
func (rs *records) keepBeside(rec results.Record, was map[string]string) bool {
	digest, resolved := was[rec.Target.Label()]
	if rec.Kept == nil || !resolved {
		return false
	}
	c := results.Cell{Target: rec.Target.Label(), Suite: rec.Suite}
	rs.others = append(rs.others, c)
	rs.earlier[c] = rec
	if !slices.Contains(rs.plan.labels(), rec.Target.Label()) {
		rs.addFact(results.Fact{Name: kernelFact + rec.Target.Label(), Value: digest})
	}
	return true
}

func dateOf(h *results.Head) string { return h.Run.Started.Local().Format(time.DateTime) }
