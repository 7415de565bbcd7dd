package console

import (
	"bytes"
	"cmp"
	"iter"
)

const (
	maxSplats = 1000    // faults, and as many others: a log with more has been judged long before its end
	maxReport = 500     // lines of one report
	maxBytes  = 1 << 18 // of the log that one report may reach over, lines of others included
	maxQuiet  = 20      // lines that belong to no report end it
	maxHead   = 12      // lines from the header to the stack trace, in which further headers are of the same event
	panicNear = 1 << 16 // bytes after a splat in which a panic or reboot is its consequence
)

// Scan returns the splats of a kernel log in the order in which they start, at most 1000 faults and 1000 others.
// A panic or reboot that follows a fault is no splat of its own: the panic's text is in Splat.Panic of the fault.
func Scan(log []byte) []Splat {
	var out []Splat
	var faults int
	last := -1 // index of the latest fault
	line, counted := 1, 0
	for r := range reports(log) {
		fault := r.head.severity.Fault()
		if !fault && len(out)-faults >= maxSplats {
			continue
		}
		line += bytes.Count(log[counted:max(counted, r.start)], []byte{'\n'})
		counted = max(counted, r.start)
		s := r.splat()
		s.Line = line
		if (s.Kind == KindPanic || s.Kind == KindReboot) && last >= 0 && s.Start-out[last].End <= panicNear {
			out[last].Panic = cmp.Or(out[last].Panic, s.Panic)
			continue
		}
		out = append(out, s)
		if fault {
			last = len(out) - 1
			if faults++; faults == maxSplats {
				break
			}
		}
	}
	return out
}

func reports(log []byte) iter.Seq[report] {
	return func(yield func(report) bool) {
		absorbed := map[int]bool{} // starts of headers that an earlier report has absorbed
		for at := allLiterals().next(log, 0); at >= 0; at = allLiterals().next(log, at) {
			sp, ok := lineAt(log, at)
			if !ok { // in the middle of something endless: nothing before the next line can be the kernel's
				next := bytes.IndexAny(log[at:], "\n[")
				if next < 0 {
					return
				}
				at += next
				continue
			}
			at = max(sp.end, at)
			if absorbed[sp.start] {
				delete(absorbed, sp.start)
				continue
			}
			head, ok := classify(log, sp)
			if !ok {
				continue
			}
			r := readReport(log, head)
			for _, start := range r.absorbed {
				absorbed[start] = true
			}
			if !head.is(mute) && !yield(r) {
				return
			}
		}
	}
}
