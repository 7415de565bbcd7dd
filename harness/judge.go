package harness

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// Evidence is everything that is known of a cell when it is judged. It is plain data: Judge adds nothing to it from
// the world. The zero value is a cell that nothing happened to, and is judged MISS.
type Evidence struct {
	Excluded    string  // the module says it does not support the target, with its condition
	Interrupted bool    // the user ended the run before this cell was through
	Trouble     *Blame  // something of ours broke: kernel not obtainable, sandbox, QEMU, disk
	Build       *Blame  // the module does not build
	Built       bool    // the .ko are there and proven
	Modules     int     // how many of them are to be loaded and unloaded
	BuildOnly   bool    // nothing beyond the build was asked for
	Want        string  // the release that was booted
	Guest       *Guest  // nil: no guest was started
	End         Ending  // how the guest ended
	Splats      []Splat // in the order of the console
	LoadWords   string  // what the kernel said about a refused load
	Tail        string  // the last lines of the console
	Incomplete  bool    // the kernel dropped messages, or the console log was cut
}

// Blame is one thing that went wrong outside of the guest.
type Blame struct {
	Stage  results.Stage
	Code   results.Code
	Reason string
}

// Ending is how QEMU and the host's own clock say that a guest ended.
type Ending struct {
	Reason  string        // QMP's SHUTDOWN reason, or the machine's word for an end without one
	Late    results.Stage // the stage whose deadline passed; empty: none did
	Silent  bool          // the guest had stopped answering altogether when the deadline passed
	Seconds int           // of the deadline that passed
	Stderr  string        // the last line that QEMU complained with; usually empty
}

// CleanEnd is the reason QEMU gives when the guest powered itself off (QEMU qapi/run-state.json, ShutdownCause).
const CleanEnd = "guest-shutdown"

// Splat is a fault in the console, put where it struck.
type Splat struct {
	console.Splat
	Stage results.Stage // the stage during which it struck
	Spec  string        // the spec that was running, if any
}

// verdict is what one row of the table has to say.
type verdict struct {
	status results.Status
	stage  results.Stage
	code   results.Code
	reason string
}

// row looks for one kind of evidence; ok says that it is there, and then nothing after it counts.
type row func(Evidence) (v verdict, ok bool)

// rows is the table of judgement: the first row that fits decides. Its order is the contract.
var rows = []row{
	excluded, interrupted, trouble, build, buildOnly, noGuest, bootFailed, wrongKernel, dependencies, loadRefused,
	splat, badTaint, suddenEnd, hang, specFailed, specMissing, unloadRefused, residue, noEnd, lostFrames, nothingRan,
}

// Judge gives the verdict on a cell: status, stage, code, reason, and the specs and splats that prove it. It is pure,
// and the only place where a status is decided. A PASS is what is left when every way to doubt it has been tried.
func Judge(e Evidence) results.Record {
	rec := results.Record{Specs: []results.Spec{}, Splats: []results.Splat{}, Attempts: 1}
	if e.Guest != nil {
		rec.Specs = e.Guest.specs()
		rec.Taint = taint(e.Guest)
		rec.Timings = timings(e.Guest)
		rec.Notes = notes(e)
	}
	for _, s := range e.Splats {
		rec.Splats = append(rec.Splats, results.Splat{Title: s.Title, Kind: s.Kind, Fingerprint: s.Fingerprint,
			Where: where(s.Splat), Stage: s.Stage, Spec: s.Spec, Line: s.Line, Excerpt: s.Excerpt})
	}
	for _, fits := range rows {
		if v, ok := fits(e); ok {
			rec.Status, rec.Stage, rec.Code, rec.Reason = v.status, v.stage, v.code, v.reason
			return rec
		}
	}
	rec.Status = results.Pass
	return rec
}

func excluded(e Evidence) (verdict, bool) {
	return verdict{results.Skip, results.StageBuild, results.CodeExcluded, e.Excluded}, e.Excluded != ""
}

func interrupted(e Evidence) (verdict, bool) {
	return verdict{results.Miss, stageOf(e.Guest), results.CodeInterrupted, "interrupted before it was through"}, e.Interrupted
}

// trouble is ours. What could not be obtained did not run; what broke underway may have hidden anything.
func trouble(e Evidence) (verdict, bool) {
	if e.Trouble == nil {
		return verdict{}, false
	}
	status := results.Error
	if e.Trouble.Stage == results.StageFetch {
		status = results.Miss
	}
	return verdict{status, e.Trouble.Stage, e.Trouble.Code, e.Trouble.Reason}, true
}

func build(e Evidence) (verdict, bool) {
	if e.Build == nil {
		return verdict{}, false
	}
	return verdict{results.Fail, e.Build.Stage, e.Build.Code, e.Build.Reason}, true
}

func buildOnly(e Evidence) (verdict, bool) {
	return verdict{status: results.Pass}, e.BuildOnly && e.Built
}

func noGuest(e Evidence) (verdict, bool) {
	return verdict{results.Miss, results.StageBoot, results.CodeInfra, "no guest was started"}, e.Guest == nil
}

// bootFailed is the kernel alone: the module was nowhere near.
func bootFailed(e Evidence) (verdict, bool) {
	if e.Guest.Hello {
		return verdict{}, false
	}
	reason := "the kernel never reached the guest's init: " + e.End.Reason
	switch {
	case e.End.Late == "" && !endedByGuest(e.End.Reason):
		return verdict{results.Error, results.StageBoot, results.CodeInfra, qemuEnded(e.End)}, true
	case e.End.Late != "":
		reason = fmt.Sprintf("the kernel did not reach the guest's init in %d s", e.End.Seconds)
	}
	if last := lastLine(e.Tail); last != "" {
		reason += "; last words: " + last
	}
	return verdict{results.Miss, results.StageBoot, results.CodeBootFailed, reason}, true
}

func wrongKernel(e Evidence) (verdict, bool) {
	reason := fmt.Sprintf("booted %q where %q was wanted", e.Guest.Release, e.Want)
	return verdict{results.Error, results.StageBoot, results.CodeInfra, reason}, e.Guest.Release != e.Want
}

// dependencies are the kernel's own modules: that they do not load is not the fault of the one under test.
func dependencies(e Evidence) (verdict, bool) {
	if len(e.Guest.Trouble) == 0 {
		return verdict{}, false
	}
	return verdict{results.Error, stageOf(e.Guest), results.CodeInfra, "the guest: " + e.Guest.Trouble[0]}, true
}

func loadRefused(e Evidence) (verdict, bool) {
	call, ok := refused(e.Guest.Loads)
	reason := fmt.Sprintf("%s refused: %s", call.Module, call.Error())
	if e.LoadWords != "" {
		reason += ": " + e.LoadWords
	}
	return verdict{results.Fail, results.StageLoad, results.CodeLoadRefused, reason}, ok
}

// splat looks for the first fault that struck while the module was there, even if every spec passed.
func splat(e Evidence) (verdict, bool) {
	for _, s := range e.Splats {
		if s.Stage == results.StageBoot || !s.Severity.Fault() {
			continue
		}
		reason := s.Title
		if s.Spec != "" {
			reason += fmt.Sprintf(" (during %q)", s.Spec)
		}
		return verdict{results.Fail, s.Stage, s.Code, reason}, true
	}
	return verdict{}, false
}

// where names the place of a fault as closely as the console does.
func where(s console.Splat) string {
	switch {
	case s.Where != "":
		return s.Where
	case s.Module != "":
		return s.Function + " [" + s.Module + "]"
	}
	return s.Function
}

// Taint bits (Linux include/linux/panic.h, Documentation/admin-guide/tainted-kernels.rst) that no well-behaved module
// sets: forced load, forced unload, machine check, bad page, died, warned, soft lockup. The net under the console:
// a fault whose lines were lost still leaves its bit.
const badTaints = 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<7 | 1<<9 | 1<<14

// taintLetters are the letters of the bits, from bit 0 on.
const taintLetters = "PFSRMBUDAWCIOELKXTNJ"

func badTaint(e Evidence) (verdict, bool) {
	before := e.Guest.Taints[results.StageBoot]
	for _, stage := range []results.Stage{results.StageLoad, results.StageTest, results.StageUnload, results.StageShutdown} {
		after, told := e.Guest.Taints[stage]
		if delta := after &^ before & badTaints; told && delta != 0 {
			reason := "the kernel is tainted " + strings.Join(letters(delta), "") + ", and the console does not say by what"
			return verdict{results.Fail, stage, results.CodeTaint, reason}, true
		}
	}
	return verdict{}, false
}

// suddenEnd is a guest that stopped by itself before its plan was done, and whose console does not say why.
func suddenEnd(e Evidence) (verdict, bool) {
	g := e.Guest
	if g.End || e.End.Late != "" || e.End.Reason == "" {
		return verdict{}, false
	}
	stage := stageOf(g)
	switch {
	case !endedByGuest(e.End.Reason):
		return verdict{results.Error, stage, results.CodeInfra, qemuEnded(e.End)}, true
	case stage == results.StageBoot:
		return verdict{results.Miss, stage, results.CodeBootFailed, "the guest ended before the module was loaded: " + e.End.Reason}, true
	}
	reason := "the guest ended by itself during " + string(stage) + inSpec(g) + " (" + e.End.Reason + "), with no fault in its log"
	return verdict{results.Fail, stage, results.CodeReset, reason}, true
}

// endedByGuest tells a guest's own doing from QEMU's, or from somebody's who killed it.
func endedByGuest(reason string) bool { return strings.HasPrefix(reason, "guest-") }

func qemuEnded(end Ending) string {
	if end.Stderr == "" {
		return "QEMU ended: " + end.Reason
	}
	return "QEMU ended: " + end.Reason + ": " + end.Stderr
}

// hang is a passed deadline. Silence of PID 1 itself, or a load or unload that never came back, is the module's doing;
// so is a spec that its suite could not end.
func hang(e Evidence) (verdict, bool) {
	g := e.Guest
	if e.End.Late != "" {
		stage := stageOf(g)
		where := fmt.Sprintf("during %s%s", stage, inSpec(g))
		if stage == results.StageBoot || stage == results.StageShutdown {
			return verdict{results.Error, stage, results.CodeTimeout, fmt.Sprintf("no end after %d s %s", e.End.Seconds, where)}, true
		}
		if e.End.Silent || stage == results.StageLoad || stage == results.StageUnload {
			return verdict{results.Fail, stage, results.CodeHang, fmt.Sprintf("the guest hangs %s: no answer for %d s", where, e.End.Seconds)}, true
		}
		return verdict{results.Error, stage, results.CodeTimeout, fmt.Sprintf("not through after %d s, %s", e.End.Seconds, where)}, true
	}
	if g.Exit != nil && g.Exit.Signal != "" && g.Running != "" {
		reason := fmt.Sprintf("%q did not end; the suite was killed (%s)", g.Running, g.Exit.Signal)
		return verdict{results.Fail, results.StageTest, results.CodeTimeout, reason}, true
	}
	return verdict{}, false
}

func specFailed(e Evidence) (verdict, bool) {
	specs := e.Guest.specs()
	failed := first(finished(e.Guest, specs), results.Fail)
	n := count(specs)
	switch {
	case failed.Name != "":
		reason := fmt.Sprintf("%q: %s", failed.Name, firstLine(failed.Message))
		if failed.Location != "" {
			reason += " (" + failed.Location + ")"
		}
		if more := n[results.Fail] - 1; more > 0 {
			reason += fmt.Sprintf("; %d more failed", more)
		}
		return verdict{results.Fail, results.StageTest, results.CodeSpecFailed, reason}, true
	case len(e.Guest.Nodes) > 0:
		node := e.Guest.Nodes[0]
		return verdict{results.Fail, results.StageTest, results.CodeSpecFailed,
			fmt.Sprintf("%s failed: %s", node.Node, firstLine(node.Message))}, true
	}
	return verdict{}, false
}

// finished leaves out the spec that was running when everything stopped: that is the suite's end, not a failed spec.
func finished(g *Guest, specs []results.Spec) []results.Spec {
	var out []results.Spec
	for _, s := range specs {
		if g.Running == "" || s.Name != g.Running || s.Message != unfinished {
			out = append(out, s)
		}
	}
	return out
}

// ginkgoFocused is Ginkgo's exit code when a suite passed and has programmatic focus (ginkgo/v2 types.GINKGO_FOCUS_EXIT_CODE).
const ginkgoFocused = 197

func specMissing(e Evidence) (verdict, bool) {
	g, specs := e.Guest, e.Guest.specs()
	missing := count(specs)[results.Miss]
	say := func(format string, args ...any) (verdict, bool) {
		return verdict{results.Error, results.StageTest, results.CodeSpecMissing, fmt.Sprintf(format, args...)}, true
	}
	switch {
	case g.Running != "":
		return say("the suite stopped while %q was running, %d specs never ran%s", g.Running, missing, exited(g))
	case missing > 0:
		return say("%d of %d planned specs never ran, first %q%s", missing, len(specs), first(specs, results.Miss).Name, exited(g))
	case g.Exit == nil && g.Ended[results.StageTest]:
		return say("the suite's end was never reported")
	case g.Exit == nil:
		return verdict{}, false
	case g.Exit.Code == ginkgoFocused:
		return say("the suite has focused specs (FIt, FDescribe …), so the others did not run: remove the focus")
	case g.Exit.Code != 0 || g.Exit.Signal != "":
		return say("no spec failed, yet the suite did%s", exited(g))
	case len(specs) == 0:
		return say("the suite has no specs")
	}
	return verdict{}, false
}

func unloadRefused(e Evidence) (verdict, bool) {
	call, ok := refused(e.Guest.Unloads)
	reason := fmt.Sprintf("%s does not unload: %s", call.Module, call.Error())
	return verdict{results.Fail, results.StageUnload, results.CodeUnloadFailed, reason}, ok
}

func residue(e Evidence) (verdict, bool) {
	if len(e.Guest.Residue) == 0 {
		return verdict{}, false
	}
	return verdict{results.Fail, results.StageUnload, results.CodeLeak, "left behind after unload: " + strings.Join(e.Guest.Residue, ", ")}, true
}

// noEnd asks for the positive proof that a pass needs: the end frame, and QEMU's word that the guest powered off.
func noEnd(e Evidence) (verdict, bool) {
	switch {
	case e.Guest.End && (len(e.Guest.Loads) < e.Modules || len(e.Guest.Unloads) < e.Modules):
		return verdict{results.Error, results.StageLoad, results.CodeInfra, "the guest never said that it loaded and unloaded every module"}, true
	case !e.Guest.End:
		return verdict{results.Error, stageOf(e.Guest), results.CodeInfra, "the guest never said that its plan was done"}, true
	case e.End.Reason != CleanEnd:
		return verdict{results.Error, results.StageShutdown, results.CodeReset, "the guest did not power off as it should: " + e.End.Reason}, true
	}
	return verdict{}, false
}

func lostFrames(e Evidence) (verdict, bool) {
	return verdict{results.Error, results.StageTest, results.CodeInfra, "frames of the guest were lost on the way"}, e.Guest.Lost
}

// nothingRan is a suite of which every spec was filtered out on this target, or which skipped all of them itself.
func nothingRan(e Evidence) (verdict, bool) {
	specs := e.Guest.specs()
	if count(specs)[results.Skip] < len(specs) || len(specs) == 0 {
		return verdict{}, false
	}
	reason := "every spec was skipped"
	if said := specs[0].Message; said != "" {
		reason += ": " + firstLine(said)
	}
	return verdict{results.Skip, results.StageTest, results.CodeExcluded, reason}, true
}

// stageOf is the stage the guest was in: the boot before it said anything else, the shutdown after its end frame.
func stageOf(g *Guest) results.Stage {
	switch {
	case g == nil || g.Stage == "":
		return results.StageBoot
	case g.End:
		return results.StageShutdown
	}
	return g.Stage
}

func inSpec(g *Guest) string {
	if g.Running == "" {
		return ""
	}
	return fmt.Sprintf(", in %q", g.Running)
}

func exited(g *Guest) string {
	switch {
	case g.Exit == nil:
		return ""
	case g.Exit.Signal != "":
		return " (the suite process was killed: " + g.Exit.Signal + ")"
	}
	return fmt.Sprintf(" (the suite process exited with %d)", g.Exit.Code)
}

func letters(mask uint64) []string {
	out := []string{}
	for m := mask; m != 0; m &= m - 1 {
		if bit := bits.TrailingZeros64(m); bit < len(taintLetters) {
			out = append(out, taintLetters[bit:bit+1])
		} else {
			out = append(out, fmt.Sprint(bit))
		}
	}
	return out
}

func taint(g *Guest) *results.Taint {
	before, ok := g.Taints[results.StageBoot]
	if !ok {
		return nil
	}
	after := before
	for _, stage := range results.Stages {
		after |= g.Taints[stage] // bits are never cleared
	}
	return &results.Taint{Before: before, After: after, Delta: letters(after &^ before)}
}

func timings(g *Guest) results.Timings {
	return results.Timings{Boot: g.Took[results.StageBoot], Load: g.Took[results.StageLoad],
		Test: g.Took[results.StageTest], Unload: g.Took[results.StageUnload]}
}

func notes(e Evidence) []string {
	var out []string
	for _, s := range e.Splats {
		if s.Stage == results.StageBoot {
			out = append(out, "before the module was loaded: "+s.Title)
		}
	}
	if e.Incomplete {
		out = append(out, "the kernel log is incomplete")
	}
	if e.Guest.Foreign > 0 {
		out = append(out, fmt.Sprintf("%d frames without this run's nonce were ignored", e.Guest.Foreign))
	}
	return out
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}
