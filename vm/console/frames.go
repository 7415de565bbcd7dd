package console

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxAlien is how many lines of others may cut into a trace without ending it.
const maxAlien = 8

// maxFrames bounds the frames that are kept of one trace.
const maxFrames = 64

// symbol is a kernel symbol with offset and size, and the module behind it: "fn+0x1/0x2 [mod]". Rust's demangled
// names hold colons and angle brackets. A build id may stand behind the module's name (%pSb in Linux lib/vsprintf.c).
const symbol = `([A-Za-z_.$<][\w.$:<>]*)\+0x([0-9a-f]+)/0x([0-9a-f]+)(?: \[([\w-]+)[^\]]*\])?`

var (
	// frameRE is a frame in any architecture's manner: bare, behind an address, or "callee from caller".
	frameRE = regexp.MustCompile(`^\s*(?:</?[A-Z]+>\s*)*(?:\[<?\(?[0-9a-fpxtrK*]+\)?>?\]\s*|\(\w*\)\s*|[0-9a-f]{16}\s+)*` +
		`(?:\(?[\w.$]+\)? from (?:\[<[0-9a-f]+>\] )?)?\(?(\?\s+)?` + symbol)
	// inlineRE is a frame that a symboliser put in: no offset, but a source line.
	inlineRE = regexp.MustCompile(`^\s*(?:\[<?[0-9a-f]+>?\]\s*)?(\?\s+)?([A-Za-z_]\w*) [\w./-]+\.[chS]:\d+ \[inline\]`)
	// pcRE is the program counter in a register dump.
	pcRE = regexp.MustCompile(`^\s*(?:RIP: 0010:|RIP: e030:|RIP\s+|E?IP: (?:0060:)?|EIP is at |IP is at |PC is at |pc : |epc : |NIP |Krnl PSW|--- interrupt:)` +
		`[\s:]*(?:\[<?[0-9a-f]+>?\]\s*)*(?:[0-9a-f ]+\()?(?:[0-9a-f]+ )?(?:at )?` + symbol)
	markRE = regexp.MustCompile(`Call [Tt]race|^\s*Backtrace|[Ss]tack backtrace`)
	// regsRE are lines inside of a trace that do not end it: another context's registers, or stack names.
	regsRE = regexp.MustCompile(`^\s*(?:</?[A-Z#]+>\s*$|[ER]?(?:IP|SP|AX|BX|CX|DX|SI|DI|BP|FLAGS)[: ]|R\d\d:|[CDEFGS]S:|CR[0-4]:|Code:|` +
		`ORIG_|EFLAGS|pstate|pc :|lr :|sp :|x\d+ ?:|r\d+ ?:|psr|Exception stack|Stack: \(|[0-9a-f]{4}: |--- interrupt|\.\.\.$|={3}|LR =|\(null\))`)
	headFnRE = regexp.MustCompile(`(?:\b(?:in|at|from):?|:\d+) \(?` + symbol)
	hintRE   = regexp.MustCompile(`(?:\bat: |^\s*LR is at |^\s*lr : )(?:\[<[0-9a-f]+>\] )?` + symbol)
	// actionRE is an interrupt's handler in "irq 11: nobody cared".
	actionRE = regexp.MustCompile(`^\[<[0-9a-fx]+>\] ([A-Za-z_]\w*)(?: \[([\w-]+)\])?$`)
	workRE   = regexp.MustCompile(`^Workqueue: \S+ ([A-Za-z_][\w.]*)`)
	bareFnRE = regexp.MustCompile(`\bin ([A-Za-z_]\w+)`)
)

// traces gathers the stack traces of one report.
type traces struct {
	top    Frame // where it happened, as the header or the registers say
	fromPC bool  // top comes from the registers
	hint   Frame // the lock's taker, the link register or the work item: better than nothing when the trace is lost
	runs   []run
	open   bool // the last run goes on
	alien  int  // lines since its last frame that may be another's
	marked bool // the next run was announced
}

// run is one stack trace.
type run struct {
	marked bool // by "Call Trace:" or its kin
	frames []Frame
}

// begin takes the function out of the header.
func (t *traces) begin(h header) {
	if m := headFnRE.FindStringSubmatch(h.Text); m != nil {
		t.top = frame(m[1:], true)
	} else if m := bareFnRE.FindStringSubmatch(h.Text); m != nil && h.is(direct) {
		t.top = Frame{Function: m[1], Reliable: true}
	}
}

// begun reports whether the report's trace has begun: any, or only one that was announced.
func (t *traces) begun(any bool) bool {
	return t.marked || any && len(t.runs) > 0 || slices.ContainsFunc(t.runs, func(r run) bool { return r.marked })
}

// add looks at one line of the report, and says whether it was part of it.
func (t *traces) add(text string) bool {
	if f, pc, ok := readFrame(text); ok {
		if pc {
			t.pc(f)
		} else {
			t.push(f)
		}
		return true
	}
	t.hintAt(text)
	switch {
	case markRE.MatchString(text):
		t.marked, t.open = true, false
		return true
	case t.open && regsRE.MatchString(text):
		return true
	case inBody(text):
		t.open = false
		return true
	}
	if t.alien++; t.alien > maxAlien {
		t.open = false
	}
	return false
}

// readFrame reads a line of a trace, or one that tells the program counter.
func readFrame(text string) (f Frame, pc, ok bool) {
	if strings.Contains(text, "+0x") {
		if m := pcRE.FindStringSubmatch(text); m != nil {
			return frame(m[1:], true), true, true
		}
		if m := frameRE.FindStringSubmatch(text); m != nil {
			return frame(m[2:], m[1] == ""), false, true
		}
	}
	if strings.HasSuffix(text, "[inline]") {
		if m := inlineRE.FindStringSubmatch(text); m != nil {
			return Frame{Function: plainName(m[2]), Reliable: m[1] == ""}, false, true
		}
	}
	return Frame{}, false, false
}

// hintAt keeps the first function that a line names in passing: better than nothing when the trace is lost.
func (t *traces) hintAt(text string) {
	if t.hint.Function != "" {
		return
	}
	if m := hintRE.FindStringSubmatch(text); m != nil {
		t.hint = frame(m[1:], true)
	} else if m := workRE.FindStringSubmatch(text); m != nil {
		t.hint = Frame{Function: plainName(m[1]), Reliable: true}
	} else if m := actionRE.FindStringSubmatch(text); m != nil {
		t.hint = Frame{Function: plainName(m[1]), Module: m[2], Reliable: true}
	}
}

// pc notes a program counter: the top of the report before its trace, a frame of its own within one.
func (t *traces) pc(f Frame) {
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
	t.alien = 0
	last := &t.runs[len(t.runs)-1]
	if len(last.frames) < maxFrames {
		last.frames = append(last.frames, f)
	}
}

// main is the trace that tells of the fault: the first that was announced, or the first of all when that is where
// reports of the kind have it.
func (t *traces) main(first bool) []Frame {
	if len(t.runs) == 0 {
		return nil
	}
	if !first {
		for _, r := range t.runs {
			if r.marked {
				return r.frames
			}
		}
	}
	return t.runs[0].frames
}

// find gives the frame of a function in whichever trace has it.
func (t *traces) find(function string) Frame {
	for _, r := range t.runs {
		for _, f := range r.frames {
			if f.Function == function && f.Reliable {
				return f
			}
		}
	}
	return Frame{Function: function, Reliable: true}
}

// frame makes a Frame of symbol's groups.
func frame(m []string, reliable bool) Frame {
	offset, _ := strconv.ParseUint(m[1], 16, 64) // digits by the pattern; too many give the maximum
	size, _ := strconv.ParseUint(m[2], 16, 64)
	return Frame{Function: plainName(m[0]), Offset: offset, Size: size, Module: m[3], Reliable: reliable}
}

// suffixRE are the marks that compilers put behind a function's name, and that differ from build to build.
var suffixRE = regexp.MustCompile(`(?:\.(?:isra|constprop|part|cold|llvm|lto_priv)(?:\.\d+)*)+$|\.\d+$`)

// syscallRE are the wrappers around a system call, which got new names over the years.
var syscallRE = regexp.MustCompile(`^(?:__(?:x64|ia32|x32|arm64|riscv|s390x?|se|do|se_compat|x64_compat|ia32_compat)_(?:compat_)?sys_|SyS_|SYSC_|compat_SyS_|C_SYSC_|compat_sys_)`)

// plainName strips what compilers and system call tables add to a name.
func plainName(name string) string {
	for {
		short := suffixRE.ReplaceAllString(name, "")
		if short == name || short == "" {
			break
		}
		name = short
	}
	name = strings.TrimPrefix(name, ".") // powerpc's function descriptors
	return syscallRE.ReplaceAllString(name, "sys_")
}
