package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// The rules of the table of judgement, in its order. Each looks for one kind of evidence and knows nothing of the others.

func excluded(e Evidence) (verdict, bool) {
	return verdict{results.Skip, results.StageBuild, results.CodeExcluded, e.Excluded}, e.Excluded != ""
}

func configMissing(e Evidence) (verdict, bool) {
	return verdict{results.Skip, results.StageFetch, results.CodeConfigMissing, e.Lacking}, e.Lacking != ""
}

func alreadyInTree(e Evidence) (verdict, bool) {
	return verdict{results.Skip, results.StageBuild, results.CodeInTree, e.Deferred}, e.Deferred != ""
}

func interrupted(e Evidence) (verdict, bool) {
	return verdict{results.Miss, StageOf(e.Guest), results.CodeInterrupted, cmp.Or(e.Ended, "interrupted before it was through")}, e.Interrupted
}

// infrastructure is trouble on our side. What could not be obtained did not run; what broke underway may have hidden anything.
func infrastructure(e Evidence) (verdict, bool) {
	if e.Trouble != nil && e.Trouble.Stage == results.StageFetch {
		return e.Trouble.verdict(results.Miss)
	}
	return e.Trouble.verdict(results.Error)
}

func build(e Evidence) (verdict, bool) { return e.Build.verdict(results.Fail) }

func (b *Blame) verdict(status results.Status) (verdict, bool) {
	if b == nil {
		return verdict{}, false
	}
	return verdict{status, b.Stage, b.Code, b.Reason}, true
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
	case e.End.Late == "" && !endedByGuest(e.End.Reason) || e.Here:
		return verdict{results.Error, results.StageBoot, results.CodeInfra, qemuEnded(e)}, true
	case e.End.Late != "":
		reason = fmt.Sprintf("the kernel did not reach the guest's init in %d s", e.End.Seconds)
	}
	if last := LastLine(e.Tail); last != "" {
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
	return verdict{results.Error, cmp.Or(e.Guest.Troubled, StageOf(e.Guest)), results.CodeInfra, e.place() + ": " + e.Guest.Trouble[0]}, true
}

// splat looks for the first fault that struck while the module was there, even if every spec passed.
func splat(e Evidence) (verdict, bool) {
	for _, s := range e.Splats {
		if !s.Counts() {
			continue
		}
		reason := s.Title
		if s.Gone != "" {
			reason += " (" + s.Gone + " was unloaded)"
		}
		if s.Place != "" {
			reason += " (" + s.Place + ")"
		}
		if s.Spec != "" {
			reason += fmt.Sprintf(" (during %q)", s.Spec)
		}
		return verdict{results.Fail, s.Stage, s.Code, reason}, true
	}
	return verdict{}, false
}

// outOfMemory is a guest that the kernel ended, or a suite that it killed, because there was no memory left. Who took it the
// kernel cannot know; while a module is loaded or unloaded there is nobody else, and elsewhere its name in the trace shows it.
func outOfMemory(e Evidence) (verdict, bool) {
	g := e.Guest
	died := !g.End && e.End.Late == "" && endedByGuest(e.End.Reason)
	killed := g.Exit != nil && g.Exit.Signal != ""
	for _, s := range e.Splats {
		if s.Kind != console.KindOOM || s.Stage == results.StageBoot || !died && !killed {
			continue
		}
		inCall := s.Stage == results.StageLoad || s.Stage == results.StageUnload
		if died && (inCall || s.Owner == results.OwnerModule) {
			return verdict{results.Fail, s.Stage, results.CodePanic, "no memory is left: " + s.Title + memoryCure}, true
		}
		return verdict{results.Error, s.Stage, results.CodeInfra, "the guest has too little memory: " + s.Title + memoryCure}, true
	}
	return verdict{}, false
}

const memoryCure = " (guest.memory_mib says how much a guest has)"

// suddenEnd is a guest that stopped by itself before its plan was done, and whose console does not say why.
func suddenEnd(e Evidence) (verdict, bool) {
	g := e.Guest
	if g.End || e.End.Late != "" || e.End.Reason == "" {
		return verdict{}, false
	}
	stage := StageOf(g)
	switch {
	case !endedByGuest(e.End.Reason):
		return verdict{results.Error, stage, results.CodeInfra, qemuEnded(e)}, true
	case e.Here:
		return verdict{results.Fail, stage, fellBy(e.End.Reason), e.fellHere(stage)}, true
	case stage == results.StageBoot:
		return verdict{results.Miss, stage, results.CodeBootFailed, "the guest ended before the module was loaded: " + e.End.Reason}, true
	}
	reason := "the guest ended by itself during " + string(stage) + inSpec(g) + " (" + e.End.Reason + "), with no fault in its log"
	return verdict{results.Fail, stage, fellBy(e.End.Reason), reason}, true
}

// fellBy is the code of a guest that ended by itself and gave no reason in its log.
func fellBy(reason string) results.Code {
	if reason == "guest-panic" {
		return results.CodePanic
	}
	return results.CodeReset
}

// endedByGuest distinguishes a guest's own doing from QEMU's, or from somebody's who killed it.
func endedByGuest(reason string) bool { return strings.HasPrefix(reason, "guest-") }

func qemuEnded(e Evidence) string {
	text := "QEMU ended: " + e.End.Reason
	if e.Here {
		text = "the helper ended: " + e.End.Reason
	}
	if e.End.Stderr != "" {
		text += ": " + e.End.Stderr
	}
	return text
}

// hang is a passed deadline. The module is at fault where PID 1 is silent, or a load, unload or spec never came back.
func hang(e Evidence) (verdict, bool) {
	g := e.Guest
	if e.End.Late != "" {
		stage := StageOf(g)
		where := fmt.Sprintf("during %s%s", stage, inSpec(g))
		switch {
		case stage == results.StageBoot || stage == results.StageShutdown:
			return verdict{results.Error, stage, results.CodeTimeout, fmt.Sprintf("no end after %d s %s", e.End.Seconds, where)}, true
		case e.End.Silent:
			return verdict{results.Fail, stage, results.CodeHang, fmt.Sprintf("the guest hangs %s: no answer for %d s%s", where, e.End.Seconds, stuckIn(e)) + neverRan(e)}, true
		case e.End.Still:
			what := cmp.Or(quoted(g.Running), string(stage))
			return verdict{results.Fail, stage, results.CodeHang, fmt.Sprintf("%s does not end: no progress for %d s%s", what, e.End.Seconds, stuckIn(e)) + neverRan(e)}, true
		case stage == results.StageLoad || stage == results.StageUnload:
			return verdict{results.Fail, stage, results.CodeHang, fmt.Sprintf("%s does not end: not back after %d s%s", stage, e.End.Seconds, stuckIn(e)) + neverRan(e)}, true
		}
		return verdict{results.Error, stage, results.CodeTimeout, fmt.Sprintf("not through after %d s, %s%s", e.End.Seconds, where, stuckIn(e))}, true
	}
	if g.Exit != nil && g.Exit.Signal != "" && g.Running != "" {
		reason := fmt.Sprintf("%q did not end; the suite was killed (%s)%s", g.Running, g.Exit.Signal, stuckIn(e))
		return verdict{results.Fail, results.StageTest, results.CodeTimeout, reason}, true
	}
	return verdict{}, false
}

// stuckIn names where the guest hangs: in the module, as its kernel showed when asked, or where PID 1 saw the task it waited for.
func stuckIn(e Evidence) string {
	if e.Place != "" {
		return ", in " + e.Place
	}
	for _, s := range slices.Backward(e.Guest.Stuck) {
		if s.Stage == StageOf(e.Guest) {
			return "; " + FirstLine(s.Text)
		}
	}
	return ""
}

// neverRan counts the specs that the end of the guest has prevented.
func neverRan(e Evidence) string {
	switch n := count(e.specs)[results.Miss]; n {
	case 0:
		return ""
	case 1:
		return "; 1 spec never ran"
	default:
		return fmt.Sprintf("; %d specs never ran", n)
	}
}

func unloadRefused(e Evidence) (verdict, bool) {
	call, ok := Refused(e.Guest.Unloads)
	reason := fmt.Sprintf("%s does not unload: %s", call.Module, call.Error())
	if words := unloadWords[syscall.Errno(call.Errno)]; words != "" {
		reason += ": " + words
	}
	return verdict{results.Fail, results.StageUnload, results.CodeUnloadFailed, reason}, ok
}

// unloadWords are what delete_module means by an errno (Linux kernel/module/main.c, delete_module and try_stop_module).
var unloadWords = map[syscall.Errno]string{
	syscall.EAGAIN: "something still uses it, or holds a reference that was never given back",
	syscall.EBUSY:  "it has no exit function, or is not through with its init or exit",
}

func residue(e Evidence) (verdict, bool) {
	if len(e.Guest.Residue) == 0 {
		return verdict{}, false
	}
	return verdict{results.Fail, results.StageUnload, results.CodeLeak, "left behind after unload: " + strings.Join(e.Guest.Residue, ", ")}, true
}

// noEnd asks for what a pass needs: the end frame, and a power-off. A guest that falls then does so with what the module left.
func noEnd(e Evidence) (verdict, bool) {
	switch {
	case e.Guest.End && (len(e.Guest.Loads) < e.Modules || len(e.Guest.Unloads) < max(len(e.loaded()), e.Modules-len(e.absent()))):
		return verdict{results.Error, results.StageLoad, results.CodeInfra, "the guest never said that it loaded and unloaded every module"}, true
	case !e.Guest.End:
		return verdict{results.Error, StageOf(e.Guest), results.CodeInfra, "the guest never said that its plan was done"}, true
	case !endedByGuest(e.End.Reason):
		return verdict{results.Error, results.StageShutdown, results.CodeInfra, qemuEnded(e)}, true
	case e.End.Reason != CleanEnd:
		return verdict{results.Fail, results.StageShutdown, fellBy(e.End.Reason), "the guest was through, and did not power off as it should: " + e.End.Reason}, true
	}
	return verdict{}, false
}

func lostFrames(e Evidence) (verdict, bool) {
	if e.Guest.Broken != "" {
		return verdict{results.Error, StageOf(e.Guest), results.CodeInfra, e.Guest.Broken}, true
	}
	return verdict{results.Error, results.StageTest, results.CodeInfra, "frames of the guest were lost on the way"}, e.Guest.Lost
}

// StageOf is the stage the guest was in: the boot before it said anything else, the shutdown after its end frame.
func StageOf(g *Guest) results.Stage {
	switch {
	case g == nil || g.Stage == "":
		return results.StageBoot
	case g.End:
		return results.StageShutdown
	}
	return g.Stage
}
