package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness/claims"
	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels/host"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// records are those of the cells of one run: the ones of an earlier run that still hold, and new ones. A record
// that was written lies in the journal, and nowhere else until the end: memory does not grow with them.
type records struct {
	h      *Harness
	plan   *Plan
	out    *output
	qemus  emulators
	suites map[suiteOn]compiled
	order  *order
	jobs   int
	stop   context.CancelCauseFunc // ends the run for an infrastructure error

	heading sync.Mutex // held from when a head is put together until it is written

	mu      sync.Mutex
	id      string
	started time.Time
	module  results.Module
	verdict vm.Verdict                      // what runs the guests, as far as it is known
	targets map[string]results.Target       // by label, as far as they are known
	done    map[results.Cell]bool           // planned, and recorded
	earlier map[results.Cell]results.Record // all that are kept of an earlier run, until they were reported
	others  []results.Cell                  // of these, the cells that the plan does not ask for
	rests   []results.Fact                  // what the others rest on
	since   *results.Results                // what the user wants them compared with; nil: nothing

	expected map[results.Cell]time.Duration // by earlier runs
	toGo     time.Duration                  // the sum of expected over the cells without a record
}

func newRecords(h *Harness, p *Plan, order *order, jobs int) *records {
	return &records{h: h, plan: p, order: order, jobs: jobs, id: rand.Text(), started: time.Now(), module: p.Module,
		targets: map[string]results.Target{}, done: make(map[results.Cell]bool, len(p.Cells())),
		earlier: map[results.Cell]results.Record{}, expected: map[results.Cell]time.Duration{}}
}

// begin reports what is planned, and what is known of it by an earlier run.
func (rs *records) begin() {
	rs.expect()
	rs.h.event(results.Event{Kind: results.EventPlan, Cells: rs.plan.Cells(), Text: rs.plan.Module.Name, Left: rs.left()})
	for _, t := range rs.plan.Targets {
		rs.know(Label(t), About(t))
	}
	for _, u := range rs.plan.Unresolved {
		rs.know(u.Label(), u.about())
	}
	rs.reportEarlier()
}

func (rs *records) know(label string, about results.Target) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.targets[label] = about
}

func (rs *records) todo(label string) []Suite {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(rs.plan.Suites), func(s Suite) bool { return rs.done[results.Cell{Target: label, Suite: s.Name}] })
}

// record writes down the record of a cell. What could not be written down is not known: the run ends, and the cell is MISS.
func (rs *records) record(c results.Cell, rec results.Record) {
	rs.mu.Lock()
	rec = missingIsError(rec, rs.plan.required[c.Target])
	rec = placed(rec, c.Suite, rs.targets[c.Target])
	rs.mu.Unlock()
	if err := rs.out.log.Append(rec); err != nil {
		rs.written(err)
		return
	}
	rs.mu.Lock()
	rs.done[c] = true
	rs.toGo -= rs.expected[c]
	rs.mu.Unlock()
	rs.order.note(c, rec.Status)
	if rs.plan.Spec.FailFast && rec.Status == results.Fail {
		rs.stop(&failedFast{c})
	}
	rs.h.event(results.Event{Kind: results.EventRecord, Target: c.Target, Suite: c.Suite, Record: &rec, Left: rs.left()})
}

// failedFast ends a run with Spec.FailFast at the first cell that failed.
type failedFast struct{ cell results.Cell }

func (f *failedFast) Error() string {
	return strings.TrimSuffix("not run: --fail-fast ended the run when "+f.cell.Target+" failed with "+f.cell.Suite, " with ")
}

// endedBy is why ctx ended, where that is how the run was asked for and no trouble; else it is empty.
func endedBy(ctx context.Context) string {
	if fast, ok := errors.AsType[*failedFast](context.Cause(ctx)); ok {
		return fast.Error()
	}
	return ""
}

// written stops the run for an error of writing its results: what cannot be written down need not be found out.
func (rs *records) written(err error) {
	if err == nil {
		return
	}
	rs.mu.Lock()
	left := len(rs.plan.Cells()) - len(rs.done)
	rs.mu.Unlock()
	rs.stop(rs.out.trouble(err, left))
}

func (rs *records) expect() {
	for _, c := range rs.plan.Cells() {
		if rs.done[c] {
			continue
		}
		rs.expected[c] = rs.order.cell(c, "").ahead
		rs.toGo += rs.expected[c]
	}
}

// left is how long the cells without a record will take, if they take what they took before.
func (rs *records) left() time.Duration {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.toGo / time.Duration(rs.jobs)
}

// learn takes the module's name and version from the .ko that was built first: the folder's name was a guess. Several modules are
// called by the folder.
func (rs *records) learn(modules []kbuild.Module) {
	if len(modules) == 0 {
		return
	}
	last := modules[len(modules)-1] // in load order: what the others are there for
	rs.mu.Lock()
	name, version := rs.module.Name, rs.module.Version
	if rs.module.Version == "" {
		rs.module.Version = last.Version
		if len(modules) == 1 {
			rs.module.Name = last.Name
		}
	}
	learned := rs.module.Name != name || rs.module.Version != version
	rs.mu.Unlock()
	if learned {
		rs.noteHead()
	}
}

// settle notes what runs the guests of this run. Records under another accelerator do not belong to the same run.
func (rs *records) settle(v vm.Verdict) {
	rs.mu.Lock()
	before := rs.verdict.Accel.Name
	rs.verdict = v
	rs.mu.Unlock()
	if now := v.Accel.Name; before != "" && now != "" && now != before {
		rs.stop(rs.notWith(fmt.Errorf("the run that is there had the accelerator %s, and this machine has %s", before, now)))
		return
	}
	rs.noteHead()
}

// head is what the journal says of this run, as far as it is known.
func (rs *records) head() results.Head {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return results.Head{Run: rs.about(), Module: rs.module, Facts: rs.facts()}
}

// noteHead writes the head again when something was learned that a resumed run would have to learn again. The last one that
// is written counts, so that it must not be older than the one before.
func (rs *records) noteHead() {
	rs.heading.Lock()
	defer rs.heading.Unlock()
	if rs.out != nil { // there is none where only a shell was asked for
		rs.written(rs.out.log.Begin(rs.head()))
	}
}

func (rs *records) about() results.Run {
	return results.Run{ID: rs.id, Started: rs.started.UTC(), Tool: rs.h.tool, PlanDigest: rs.plan.Digest(), Asked: rs.plan.Spec.Asked, Shard: rs.plan.shard, Planned: rs.plan.planned,
		Host: results.Host{Arch: vm.HostArch(), Accelerator: rs.verdict.Accel.Name, CPUModel: rs.verdict.Accel.CPU, QEMU: rs.qemus.String(), Distribution: host.Distribution()}}
}

// finish accounts for every planned cell and writes the results.
func (rs *records) finish(ctx context.Context) (*results.Results, error) {
	res := &results.Results{Schema: results.Schema, Run: rs.about(), Module: rs.module}
	var err error
	if res.Records, err = rs.all(ctx); err != nil {
		return nil, errors.Join(err, rs.out.close())
	}
	res.Records = rs.across(res.Records)
	if !rs.plan.part {
		rs.h.HoldClaims(rs.plan, res)
	}
	res.Finish()
	if ctx.Err() == nil {
		rs.remember(res)
		if rs.since != nil {
			res.Since = results.Compare(rs.since, res)
		}
	}
	if err = rs.out.write(res, ctx.Err() == nil); err == nil {
		rs.h.event(results.Event{Kind: results.EventFinished, Results: res})
	}
	if cause := context.Cause(ctx); cause != nil && endedBy(ctx) == "" {
		return res, cause
	}
	return res, rs.out.trouble(err, 0)
}

// across judges the cells together, as judge.Across does, and reports the records that this changes. The journal keeps each as it was
// judged by itself: another run that continues this one, with other kernels perhaps, judges them together anew.
func (rs *records) across(apart []results.Record) []results.Record {
	together := judge.Across(apart)
	for i, rec := range together {
		if rec.Status != apart[i].Status {
			rs.h.event(results.Event{Kind: results.EventRecord, Target: rec.Target.Label(), Suite: rec.Suite, Record: &rec})
		}
	}
	return together
}

// all reads the records of all planned cells from the journal, then those kept besides. A cell without one is MISS.
func (rs *records) all(ctx context.Context) ([]results.Record, error) {
	log, err := rs.out.log.Log()
	if err != nil {
		return nil, err
	}
	place := map[results.Cell]int{}
	for i, rec := range log.Records {
		place[results.Cell{Target: rec.Target.Label(), Suite: rec.Suite}] = i
	}
	var all []results.Record
	for _, c := range rs.plan.Cells() {
		rec := rs.h.judge(judge.Evidence{Interrupted: ctx.Err() != nil, Ended: endedBy(ctx)})
		if i, ok := place[c]; ok && rs.done[c] {
			rec = log.Records[i]
		}
		all = append(all, placed(rec, c.Suite, rs.targets[c.Target])) // every cell of a row says the same of it, whenever it was recorded
	}
	for _, c := range rs.others {
		if i, ok := place[c]; ok {
			all = append(all, log.Records[i])
		}
	}
	return all, nil
}

// HoldClaims holds what the module's source says of kernel versions against res.
func (h *Harness) HoldClaims(p *Plan, res *results.Results) {
	var notices []string
	var err error
	if res.Module.Claims, notices, err = claims.Of(p.in.module.Source, res.Records); err != nil {
		notices = []string{"what the source says of kernel versions is not known: " + err.Error()}
	}
	for _, n := range notices {
		h.Notice(n)
	}
}
