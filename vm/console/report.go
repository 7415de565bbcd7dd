package console

import (
	"cmp"
	"regexp"
	"strings"
)

type report struct {
	head     header
	start    int
	end      int    // of the last line that is part of it
	lines    []span // its lines, the first one included
	absorbed []int  // starts of further headers among them
	panic    string // what the panic said that ended it
	detail   string // "Read" or "Write"
	warned   bool   // a WARNING of the same event was absorbed
	bare     bool   // the processor was at an address without a symbol
	gone     bool   // that may have been code once
	last     string // the module that was unloaded last
	exact    string // a title by what the body says of the fault, where the header says less
	traces   traces
}

type reader struct {
	report
	log   []byte // up to where the report may reach
	hit   int    // end of the next literal
	quiet int    // lines since the last one that looked like a report's
	cut   bool   // the report began with "cut here": a better header names it
}

func readReport(log []byte, head header) report {
	r := reader{log: log[:min(len(log), head.start+maxBytes)], hit: -1, cut: head.is(generic)}
	r.report = report{head: head, start: head.start, end: head.end, lines: []span{head.span}}
	r.traces.begin(head)
	r.panic = panicText(head)
	if head.is(again) { // by what came before it, it is known
		r.start = lastWords(log, head.start)
	}
	if head.is(single) {
		return r.report
	}
	for sp := range lines(r.log, nextLine(r.log, head.end)) {
		if len(r.lines) >= maxReport || r.quiet > maxQuiet || r.owns(sp) && !r.take(sp) {
			break
		}
	}
	r.lines = r.lines[:len(r.lines)-min(r.quiet, len(r.lines)-1)]
	return r.report
}

// owns reports whether the task or CPU of this report printed the line. Without caller ids every line of the kernel's may be.
func (r *reader) owns(sp span) bool {
	if sp.User || r.head.Stamp && !sp.Stamp {
		return false
	}
	return r.head.Caller == "" || r.head.is(spread) || sp.Caller == r.head.Caller
}

// take adds a line to the report, and says whether the report goes on after it.
func (r *reader) take(sp span) bool {
	if h, ok := r.header(sp); ok {
		if !r.absorbs(h) {
			return false
		}
		r.absorb(h)
		return true
	}
	r.lines = append(r.lines, sp)
	r.note(sp.Text)
	switch {
	case endRE.MatchString(sp.Text):
		r.keep(sp)
		return false
	case r.traces.add(sp.Text):
		r.keep(sp)
	default:
		r.quiet++
	}
	return true
}

// note keeps what a line of the body says in passing.
func (r *reader) note(text string) {
	if m := accessRE.FindStringSubmatch(text); m != nil && r.detail == "" {
		r.detail = m[1]
	}
	if m := unloadedRE.FindStringSubmatch(text); m != nil && r.last == "" {
		r.last = m[1]
	}
	if m := nowhereRE.FindStringSubmatch(text); m != nil {
		r.bare = true
		r.gone = r.gone || len(strings.TrimLeft(m[1], "0x")) >= 7 // and not near NULL
	}
	if r.head.kind == KindOops && r.exact == "" {
		r.exact = exactTitle(text)
	}
}

// exactTitle is the title that a line of the body gives a page fault: s390 has the address there (Linux arch/s390/mm/fault.c,
// dump_fault_info), arm64 the reason (arch/arm64/mm/fault.c, mem_abort_decode).
func exactTitle(text string) string {
	switch {
	case nullRE.MatchString(text):
		return "NULL pointer dereference"
	case strings.HasSuffix(text, "FSC = 0x21: alignment fault"):
		return "unaligned access"
	}
	return ""
}

// keep says that the report reaches at least to the end of sp.
func (r *reader) keep(sp span) { r.end, r.quiet = sp.end, 0 }

// header classifies a line of the body if there is a literal in it.
func (r *reader) header(sp span) (header, bool) {
	if r.hit <= sp.start {
		if r.hit = allLiterals().next(r.log, sp.start); r.hit < 0 {
			r.hit = len(r.log) + 1
		}
	}
	if r.hit > sp.end {
		return header{}, false
	}
	return classify(r.log, sp)
}

// absorbs reports whether h is of the same event as the report that is open.
func (r *reader) absorbs(h header) bool {
	switch {
	case h.is(mute) || h.kind == KindTrace:
		return !r.head.is(mute) || h.kind == KindTrace
	case r.nameless(h):
		return true
	case !r.head.severity.Fault():
		return false // a note must never swallow a fault
	case h.kind == KindPanic || h.kind == KindCrit:
		return true
	case r.cut && r.early():
		return !h.is(generic)
	case h.severity < r.head.severity:
		return false // nor a warning something worse
	case h.is(tail):
		return r.early() || r.goesWith(h.kind)
	case (r.head.kind == KindSLUB || r.head.kind == KindLeak) && r.endsSlub(h):
		return true
	}
	return h.rank != r.head.rank && r.early()
}

// nameless reports whether this is a trace that nothing announced, and h a line of a report of SLUB's whose first was dropped.
func (r *reader) nameless(h header) bool { return r.head.kind == KindTrace && h.kind == KindSLUB }

// endsSlub reports whether h is the WARNING with which newer kernels end a report of SLUB's, or its "cut here".
func (r *reader) endsSlub(h header) bool {
	text := h.Text
	if h.is(generic) {
		text = readLine(r.log, nextLine(r.log, h.end)).Text
	}
	return strings.HasPrefix(text, "WARNING: ") && strings.Contains(text, "mm/slub.c:")
}

// goesWith reports whether a line of kind, after the stack trace, can be the rest of this report.
func (r *reader) goesWith(kind string) bool {
	return code(kind) == code(r.head.kind) || kind == KindSLUB && r.head.kind == KindLeak
}

// early reports whether the report's own stack trace is still to come.
func (r *reader) early() bool { return len(r.lines) < maxHead && !r.traces.begun(r.head.is(direct)) }

// absorb adds h to the report. After a mere "cut here" it becomes the header.
func (r *reader) absorb(h header) {
	r.absorbed = append(r.absorbed, h.start)
	r.lines = append(r.lines, h.span)
	r.keep(h.span)
	r.panic = cmp.Or(r.panic, panicText(h))
	r.warned = r.warned || isWarning(h) || isWarning(r.head)
	if r.nameless(h) {
		r.head = h
	} else if r.cut && r.early() && h.rank < r.head.rank && !h.is(mute) {
		r.head = h
		r.traces = traces{} // frames before the header were of another trace
		r.traces.begin(h)
		return
	}
	r.traces.add(h.Text)
}

// isWarning reports whether h is a WARN_ON that the kernel has survived.
func isWarning(h header) bool { return h.kind == KindWarn && !h.is(generic) }

// panicText returns the words of a panic line, empty for any other.
func panicText(h header) string {
	_, text, ok := strings.Cut(h.Text, "Kernel panic - not syncing")
	if !ok {
		return ""
	}
	return strings.TrimSpace(strings.TrimPrefix(text, ":"))
}

var (
	accessRE = regexp.MustCompile(`^(Read|Write) of size \d+`)
	// nowhereRE is a program counter that is in nothing the kernel knows.
	nowhereRE  = regexp.MustCompile(`^(?:RIP: 0010:|EIP: |PC is at |pc : |epc : |NIP \[[0-9a-f]+\] |Krnl PSW : [0-9a-f]{16} [0-9a-f]{16} \()((?:0x)?[0-9a-f]+)\)?$`)
	nullRE     = regexp.MustCompile(`^Failing address: 0{13}[0-9a-f]{3}\b`)
	unloadedRE = regexp.MustCompile(`\[last unloaded: ([\w-]+)`)
	endRE      = regexp.MustCompile(`---\[ end (trace|Kernel panic)`)
)
