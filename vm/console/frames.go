package console

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

const (
	maxFrames  = 64 // frames that are kept of one trace
	maxForeign = 8  // lines of other tasks that may interrupt a trace without ending it
)

var (
	markRE = regexp.MustCompile(`Call [Tt]race|^\s*Backtrace|[Ss]tack backtrace`)
	// bareRE is an entry of a trace for which there is no symbol: code of a module's that is gone, or data on the stack.
	bareRE = regexp.MustCompile(`^\s*(?:\? )?0x[0-9a-f]{8,}$`)
	// placeRE and plainRE are how a header names the function.
	placeRE = regexp.MustCompile(`(?:\b(?:in|at|from):?|:\d+) \(?\S+\+0x`)
	plainRE = regexp.MustCompile(`\bin ([A-Za-z_]\w+)`)
	// hintRE is where a lock was taken, or the caller by the link register.
	hintRE = regexp.MustCompile(`(?:\bat: |^\s*LR is at |^\s*(?:lr|ra) : |^LR \[[0-9a-f]+\] )(?:\[<[0-9a-f]+>\] )?\S+\+0x`)
	// interruptRE is what an s390 trapped on (Linux arch/s390/kernel/dumpstack.c, die). Of a page that is not there, or
	// protected (arch/s390/mm/fault.c, do_protection_exception), the program counter is that of the instruction; of all else it is behind it.
	interruptRE = regexp.MustCompile(`: ([0-9a-f]{4}) ilc:\d `)
	undoneRE    = regexp.MustCompile(`^00(?:04|1[01]|3[89ab])$`)

	workRE = regexp.MustCompile(`^Workqueue: \S+ ([A-Za-z_][\w.]*)`)
	// actionRE is an interrupt's handler in "irq 11: nobody cared".
	actionRE = regexp.MustCompile(`^\[<[0-9a-fx]+>\] ([A-Za-z_]\w*)(?: \[([\w-]+)\])?$`)
)

// traces gathers the stack traces of one report.
type traces struct {
	top     Frame // where it happened, as the header or the registers say
	fromPC  bool  // top comes from the registers
	hint    Frame // a function named in passing
	runs    []run
	open    bool // the last run goes on
	foreign int  // lines since its last frame that may be another report's
	marked  bool // the next run was announced
	past    bool // the registers show the instruction behind the one at fault
	branch  bool // the next frame is the last branch taken, and no caller
}

type run struct {
	marked bool // by "Call Trace:" or its kin
	frames []Frame
}

func (r run) announced() bool { return r.marked }

func (t *traces) begin(h header) {
	t.interruptAt(h.Text)
	if at := placeRE.FindStringIndex(h.Text); at != nil {
		t.top, _, _ = symbolAt(h.Text[at[0]:])
		t.top.PC = h.kind == KindWarn
	}
	if m := plainRE.FindStringSubmatch(h.Text); m != nil && h.is(direct) && t.top.Function == "" {
		t.top = Frame{Function: m[1], Reliable: true}
	}
}

// begun reports whether the report's trace has begun: any, or only one that was announced.
func (t *traces) begun(any bool) bool {
	return t.marked || any && len(t.runs) > 0 || slices.ContainsFunc(t.runs, run.announced)
}

// add looks at one line of the report, and says whether it was part of it.
func (t *traces) add(text string) bool {
	if f, pc, ok := readFrame(text); ok {
		switch {
		case t.branch:
			t.branch, t.hint = false, cmp.Or(t.hint, f)
		case pc:
			t.pc(f)
		default:
			t.push(f)
		}
		return true
	}
	t.hintAt(text)
	t.interruptAt(text)
	t.branch = strings.HasPrefix(text, "Last Breaking-Event-Address:") // of s390 (Linux arch/s390/kernel/dumpstack.c, show_last_breaking_event)
	switch {
	case strings.Contains(text, "race") && markRE.MatchString(text):
		t.marked, t.open = true, false
		return true
	case t.open && (isRegisters(text) || bareRE.MatchString(text)):
		return true
	case inBody(text):
		t.open = false
		return true
	}
	if t.foreign++; t.foreign > maxForeign {
		t.open = false
	}
	return false
}

// hintAt keeps the first function that a line names in passing: better than nothing when the trace is lost.
func (t *traces) hintAt(text string) {
	if t.hint.Function != "" {
		return
	}
	if strings.Contains(text, "+0x") {
		if at := hintRE.FindStringIndex(text); at != nil {
			t.hint, _, _ = symbolAt(text[at[0]:])
		}
	} else if m := workRE.FindStringSubmatch(text); m != nil {
		t.hint = Frame{Function: plainName(m[1]), Reliable: true}
	} else if m := actionRE.FindStringSubmatch(text); m != nil {
		t.hint = Frame{Function: plainName(m[1]), Module: m[2], Reliable: true}
	}
}

func (t *traces) interruptAt(text string) {
	if m := interruptRE.FindStringSubmatch(text); m != nil {
		t.past = !undoneRE.MatchString(m[1])
	}
}

// pc notes a program counter: the top of the report before its trace, a frame of its own within one.
func (t *traces) pc(f Frame) {
	f.PC = !t.past
	if t.open {
		t.push(f)
	} else if t.top.Function == "" {
		t.top, t.fromPC = f, true
	}
}

func (t *traces) push(f Frame) {
	if !t.open {
		t.runs = append(t.runs, run{marked: t.marked})
		t.open, t.marked = true, false
	}
	t.foreign = 0
	f.PC = f.PC || t.top.PC && f.Symbol == t.top.Symbol && f.Offset == t.top.Offset && f.Module == t.top.Module
	if strings.HasPrefix(f.Function, "warn_slowpath") { // a call, where the architecture has no instruction to warn with
		t.top.PC = false
	}
	last := &t.runs[len(t.runs)-1]
	if len(last.frames) < maxFrames {
		last.frames = append(last.frames, f)
	}
}

// main is the trace of the fault: the first that was announced, or the first of all where such reports begin with it.
func (t *traces) main(first bool) []Frame {
	if len(t.runs) == 0 {
		return nil
	}
	i := 0
	if !first {
		i = max(0, slices.IndexFunc(t.runs, run.announced))
	}
	return t.runs[i].frames
}

// find returns the frame of a function from the first trace that has it.
func (t *traces) find(function string) Frame {
	for _, r := range t.runs {
		if i := slices.IndexFunc(r.frames, func(f Frame) bool { return f.Function == function && f.Reliable }); i >= 0 {
			return r.frames[i]
		}
	}
	return Frame{Function: function, Reliable: true}
}
