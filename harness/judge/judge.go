// Package judge turns the evidence of one cell into its verdict. It is pure: it imports words, the frames of the guest
// and the reading of the console, and nothing that could touch the world, so that a verdict can be repeated from what was
// written down. It must never know how a kernel was obtained, a module built or a guest run.
package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/console"
)

// Evidence is everything that is known of a cell when it is judged. It is plain data: Judge adds nothing to it from
// the world. The zero value is a cell that nothing happened to, and is judged MISS.
type Evidence struct {
	Excluded     string               // the module says it does not support the target, with its condition
	Lacking      string               // the kernel lacks what the module is to be tested with, with the condition
	Deferred     string               // the kernel brings the module itself, and that is preferred
	Interrupted  bool                 // the run was ended before this cell was through
	Ended        string               // why, where it was not the user
	Trouble      *Blame               // infrastructure broke: kernel not obtainable, sandbox, QEMU, disk
	Build        *Blame               // the module does not build
	Built        bool                 // the .ko are there and proven
	Modules      int                  // how many of them are to be loaded and unloaded
	BuildOnly    bool                 // nothing beyond the build was asked for
	Want         string               // the release that was booted
	Here         bool                 // there was no guest: it was this machine itself, and what is said of QEMU is said of the helper
	Guest        *Guest               // nil: no guest was started
	End          Ending               // how the guest ended
	Splats       []Splat              // in the order of the console
	Unmet        []Expectation        // faults that a spec announced and that did not come
	Hung         []console.Frame      // of the stacks that a guest past its deadline showed when it was asked
	Words        map[string]string    // by module: what the kernel said about its refused load, or the module itself
	NoFirmware   []string             // files that were asked for while the modules were there, and are not in the guest
	Own          []results.Device     // the tester's own devices that the guest was handed
	FirmwareCure string               // how the guest gets them, as the end of a sentence
	Facts        map[string]Fact      // by module under test, as far as there is something to say
	Place        string               // where in the module a guest was that hung, as its kernel said when it was asked; usually empty
	Tail         string               // the last lines of the console
	Incomplete   bool                 // the kernel dropped messages, or the console log was cut
	Checks       []Check              // of the static checks, which need no guest; none: it is a cell of another suite
	Predicted    []results.Prediction // of binaries that were not built here, what the kernel was expected to do with each
	Notes        []string             // what a reader should know of how the evidence was gathered

	specs []results.Spec // all of the guest's, as decide adds them up for the rows
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
	Still   bool          // a thread in it had made no progress for so long
	Seconds int           // of the deadline that passed
	Stderr  string        // the last line that QEMU complained with; usually empty
}

// CleanEnd is the reason QEMU gives when the guest powered itself off (QEMU qapi/run-state.json, ShutdownCause).
const CleanEnd = "guest-shutdown"

// Splat is a fault in the console, put where it struck.
type Splat struct {
	console.Splat
	Stage    results.Stage // the stage during which it struck
	Spec     string        // the spec that was running, if any
	Owner    results.Owner // whose the guilty function is
	Place    string        // file:line in the module's own source; empty where it is not known
	Callers  []string      // functions with their lines that Place was inlined into, innermost first
	Expected bool          // its spec said that it would come
	Noise    bool          // the kernel says the same without the module
}

// Counts reports whether the splat speaks against the module.
func (s Splat) Counts() bool {
	return s.Stage != results.StageBoot && s.Severity.Fault() && !s.Expected && !s.Noise
}

type verdict struct {
	status results.Status
	stage  results.Stage
	code   results.Code
	reason string
}

// Version is part of every cached cell's key: raise it when a verdict on the same evidence changes.
const Version = "5"

// rules is the table of judgement: the first rule that fits decides. Its order is the contract. A rule looks for one kind
// of evidence; ok reports that it is there, and then nothing after it counts.
var rules = []struct {
	name string
	fits func(Evidence) (v verdict, ok bool)
}{
	{"excluded", excluded},
	{"config-missing", configMissing},
	{"in-tree", alreadyInTree},
	{"interrupted", interrupted},
	{"infrastructure", infrastructure},
	{"checks", checks},
	{"build", build},
	{"build-only", buildOnly},
	{"no-guest", noGuest},
	{"boot-failed", bootFailed},
	{"wrong-kernel", wrongKernel},
	{"dependencies", dependencies},
	{"load-refused", loadRefused},
	{"splat", splat},
	{"taint", badTaint},
	{"out-of-memory", outOfMemory},
	{"sudden-end", suddenEnd},
	{"hang", hang},
	{"no-hardware", noHardware},
	{"spec-failed", specFailed},
	{"fault-not-seen", unmet},
	{"spec-missing", specMissing},
	{"unload-refused", unloadRefused},
	{"residue", residue},
	{"no-end", noEnd},
	{"lost-frames", lostFrames},
	{"nothing-ran", nothingRan},
}

// Rules lists the names of the rules, in their order.
func Rules() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}

// decide returns the verdict of the first rule that fits, and its name; none fits a cell that passed.
func decide(e Evidence) (v verdict, rule string) {
	if e.Guest != nil {
		e.specs = e.Guest.specs()
	}
	for _, r := range rules {
		if v, ok := r.fits(e); ok {
			return v, r.name
		}
	}
	return verdict{status: results.Pass}, ""
}

// Rule names the rule that decides on e; empty where none does, which is a PASS.
func Rule(e Evidence) string {
	_, rule := decide(e)
	return rule
}

// Judge returns the verdict on a cell: status, stage, code, reason, and the specs and splats that prove it. It is pure,
// and the only place where a status is decided. A PASS is what is left when every way to doubt it has been tried.
func Judge(e Evidence) results.Record {
	rec := results.Record{Specs: []results.Spec{}, Splats: []results.Splat{}, Attempts: 1, Predicted: e.observed(), Notes: notes(e)}
	if len(e.Checks) > 0 {
		rec.Specs = checkSpecs(e.Checks)
	}
	if g := e.Guest; g != nil {
		rec.Specs, rec.Taint = g.specs(), taint(g)
		rec.Loaded, rec.Absent = e.loaded(), e.setAside()
		rec.Hardware, rec.Firmware = e.hardware(), e.firmware()
		rec.Timings = results.Timings{Boot: g.Took[results.StageBoot], Load: g.Took[results.StageLoad], Test: g.Took[results.StageTest], Unload: g.Took[results.StageUnload]}
	}
	for _, s := range e.Splats {
		if s.Noise {
			continue // it is a note
		}
		rec.Splats = append(rec.Splats, results.Splat{Title: s.Title, Kind: s.Kind, Fingerprint: s.Fingerprint,
			Where: where(s), Owner: s.Owner, Callers: s.Callers, Stage: s.Stage, Spec: s.Spec, Line: s.Line, Excerpt: s.Excerpt})
	}
	v, _ := decide(e)
	rec.Status, rec.Stage, rec.Code, rec.Reason = v.status, v.stage, v.code, v.reason
	if v.code == results.CodeHang && stuckIn(e) == "" {
		rec.Notes = append(rec.Notes, placeless)
	}
	return rec
}

const placeless = "where in the module it hangs is not known: its kernel was asked, and no stack that it could still show is one of the module's; a processor with its interrupts off may show none"

// where names the place of a fault as closely as the console does.
func where(s Splat) string {
	switch {
	case s.Place != "":
		return s.Place
	case s.Where != "":
		return s.Where
	case s.Module != "":
		return s.Function + " [" + s.Module + "]"
	}
	return s.Function
}

func notes(e Evidence) []string {
	out := slices.Clone(e.Notes)
	for _, s := range e.Splats {
		switch {
		case s.Stage == results.StageBoot:
			out = append(out, "before the module was loaded: "+s.Title)
		case s.Noise:
			out = append(out, "the kernel says so without the module too: "+s.Title)
		case s.Expected:
			out = append(out, fmt.Sprintf("expected by %q: %s", s.Spec, s.Title))
		}
	}
	if e.Guest != nil && len(e.loaded()) > 0 {
		for _, a := range e.setAside() {
			out = append(out, "set aside: "+a.Reason)
		}
		if words := e.firmwareWords(Syscall{}); words != "" {
			out = append(out, strings.TrimPrefix(words, "; "))
		}
	}
	if e.Guest != nil {
		out = append(out, e.unbound()...)
	}
	if e.Incomplete {
		out = append(out, "the kernel log is incomplete")
	}
	if e.Guest != nil && e.Guest.Foreign > 0 {
		out = append(out, fmt.Sprintf("%d frames without this run's nonce were ignored", e.Guest.Foreign))
	}
	return out
}
