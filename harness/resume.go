package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// open opens the folder of results and begins its journal, or goes on with the one that is there. After a *UsageError,
// nothing in the folder was changed.
func (r *run) open() (err error) {
	out, log, broken := openOutput(r.plan.Spec.Out)
	if out == nil {
		return broken
	}
	defer func() {
		if err != nil {
			_ = out.log.Close()
		}
	}()
	r.out = out
	if err := r.earlierRun(log, broken); err != nil {
		return err
	}
	r.tellOfEarlier(log)
	kept := r.kept()
	err = out.sweep(kept)
	switch {
	case err != nil:
	case r.plan.Spec.New && log.Head != nil && r.id == log.Head.Run.ID: // nothing is new, and all of it is there
	case r.plan.Spec.New && len(kept) > 0:
		err = out.log.Restart(r.head(), kept)
	case len(kept) > 0:
		err = out.log.Begin(r.head())
	default:
		err = out.log.Reset(r.head())
	}
	return out.trouble(err, len(r.plan.Cells()))
}

// tellOfEarlier says what becomes of the run that the folder holds.
func (r *run) tellOfEarlier(log results.Log) {
	judged, text := 0, ""
	for _, rec := range log.Records {
		if final(rec) {
			judged++
		}
	}
	switch n := len(r.done); {
	case r.plan.Spec.New: // takeOver told
		return
	case n > 0:
		text = fmt.Sprintf("going on with the run of %s: %d of %d cells are judged", r.started.Local().Format(time.DateTime), n, len(r.plan.Cells()))
	case r.plan.Spec.Resume:
		text = "--resume: no cell is judged in " + r.plan.Spec.Out + ", so the run begins anew"
	case judged > 0 && !log.Finished:
		text = fmt.Sprintf("an unfinished run with %d judged cells was in %s, and is replaced: --resume would have gone on with it", judged, r.plan.Spec.Out)
	default:
		return
	}
	r.notice(text)
}

// final tells a verdict about the module, which another run would only repeat. What went wrong on our side, or was never
// run, is no verdict; and where the kernel's own copy was run beside it, of that either.
func final(rec results.Record) bool {
	if rec.InTreeRun != nil && !final(rec.InTreeRun.Record) {
		return false
	}
	return rec.Status == results.Pass || rec.Status == results.Fail || rec.Status == results.Skip
}

// takeUp takes over what an earlier run of the same question has judged. It gives an error, and takes nothing, where the
// question was another one, or where something would be lost.
func (r *run) takeUp(log results.Log) error {
	if log.Head == nil {
		return nil
	}
	if err := differ(log.Head.Facts, r.facts()); err != nil {
		return err
	}
	planned := map[results.Cell]bool{}
	for _, c := range r.plan.Cells() {
		planned[c] = true
	}
	was, _ := kernelFacts(log.Head.Facts)
	for _, rec := range log.Records {
		c := results.Cell{Target: rec.Target.Label(), Suite: rec.Suite}
		switch {
		case !planned[c] && r.goneOn(rec, was):
		case !final(rec):
		case !planned[c]:
			return fmt.Errorf("the run in %s also judged %s with %s, which is not asked for now", r.plan.Spec.Out, c.Target, c.Suite)
		case r.out.has(rec.Files()):
			r.done[c], r.earlier[c] = true, rec
		}
	}
	if len(r.done) == 0 {
		return nil
	}
	r.id, r.started = log.Head.Run.ID, log.Head.Run.Started
	r.module.Name, r.module.Version = log.Head.Module.Name, log.Head.Module.Version
	r.verdict.Accel = vm.Accel{Name: log.Head.Run.Host.Accelerator, CPU: log.Head.Run.Host.CPUModel}
	return nil
}

// tellTakenUp shows the records that were taken over, as if they had just come. From then on only the journal has them.
func (r *run) tellTakenUp() {
	for _, c := range r.plan.Cells() {
		if rec, ok := r.earlier[c]; ok {
			r.know(c.Target, rec.Target)
			r.event(results.Event{Kind: results.EventRecord, Target: c.Target, Suite: c.Suite, Record: &rec, Left: r.left()})
		}
	}
	r.earlier = nil
}

// todo lists the suites that a target is still to be run with.
func (r *run) todo(label string) []Suite {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left []Suite
	for _, s := range r.plan.Suites {
		if !r.done[results.Cell{Target: label, Suite: s.Name}] {
			left = append(left, s)
		}
	}
	return left
}

// head is what the journal says of this run, as far as it is known.
func (r *run) head() results.Head {
	r.mu.Lock()
	defer r.mu.Unlock()
	return results.Head{Run: r.about(), Module: r.module, Facts: r.facts()}
}

// about is the run as results.json has it.
func (r *run) about() results.Run {
	return results.Run{ID: r.id, Started: r.started.UTC(), Tool: r.tool, PlanDigest: r.plan.Digest(), Asked: r.plan.Spec.Asked,
		Host: results.Host{Arch: vm.HostArch(), Accelerator: r.verdict.Accel.Name, CPUModel: r.verdict.Accel.CPU, QEMU: r.qemu}}
}

// settle notes what runs the guests of this run. Records from under another accelerator are none of the same run.
func (r *run) settle(v vm.Verdict) {
	r.mu.Lock()
	before := r.verdict.Accel.Name
	r.verdict = v
	r.mu.Unlock()
	if now := v.Accel.Name; before != "" && now != "" && now != before {
		r.stop(r.otherAccelerator(before, now))
		return
	}
	r.noteHead()
}

// noteHead writes the head again when something was learned that a run which goes on would have to learn anew.
func (r *run) noteHead() {
	if r.out != nil { // there is none where only a shell was asked for
		r.written(r.out.log.Begin(r.head()))
	}
}

// written takes the outcome of writing to the folder of results. What cannot be written down need not be found out: the
// run is stopped.
func (r *run) written(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	left := len(r.plan.Cells()) - len(r.done)
	r.mu.Unlock()
	r.stop(r.out.trouble(err, left))
}

// facts are what the records of this run rest on. Records hold for another run as long as none of the facts that both
// have differs: another kernel more is no reason to run the first one again.
func (r *run) facts() []results.Fact {
	facts := []results.Fact{
		{Name: "modmatrix", Value: r.tool + ", judgement " + judge.Version},
		{Name: "the architecture", Value: vm.HostArch()},
		{Name: "QEMU", Value: r.qemu},
		{Name: "the module's source", Value: r.plan.Module.SourceDigest},
	}
	facts = append(facts, r.plan.decided()...)
	for _, t := range r.plan.Targets {
		facts = append(facts, results.Fact{Name: kernelFact + Label(t), Value: targetDigest(t)})
	}
	facts = append(facts, r.rests...)
	for _, suite := range r.plan.Suites {
		facts = append(facts, results.Fact{Name: "the suite " + suite.Name, Value: r.suites[suite.Name].sum})
	}
	return facts
}

func targetDigest(t kernels.Target) string {
	data, err := json.Marshal(t)
	if err != nil {
		panic(err) // plain data: cannot happen
	}
	return store.Digest(string(data))
}

// differ says which facts are not what they were.
func differ(old, now []results.Fact) error {
	was := map[string]string{}
	for _, f := range old {
		was[f.Name] = f.Value
	}
	var all []string
	for _, f := range now {
		if before, ok := was[f.Name]; ok && before != f.Value {
			all = append(all, fmt.Sprintf("%s was %s and is %s", f.Name, brief(before), brief(f.Value)))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New("the run that is there was another one: " + strings.Join(all, ", "))
}

// brief shortens what nobody reads to the end.
func brief(value string) string {
	if value == "" {
		return "none"
	}
	if hash, ok := strings.CutPrefix(value, "sha256:"); ok && len(hash) > 12 {
		return hash[:12] + "…"
	}
	if len(value) == 64 && strings.Trim(value, "0123456789abcdef") == "" {
		return value[:12] + "…"
	}
	return fmt.Sprintf("%q", value)
}

// learn takes the module's name and version from the first .ko that was built: the folder's name was a guess.
func (r *run) learn(modules []kbuild.Module) {
	if len(modules) == 0 {
		return
	}
	last := modules[len(modules)-1] // in load order: what the others are there for
	r.mu.Lock()
	before := r.module
	if r.module.Version == "" {
		r.module.Name, r.module.Version = last.Name, last.Version
	}
	learned := r.module != before
	r.mu.Unlock()
	if learned {
		r.noteHead()
	}
}
