package harness

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

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
