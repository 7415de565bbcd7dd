package console

import "bytes"

const (
	maxSplats = 1000    // faults, and as many others: a log with more has been judged long before its end
	maxReport = 500     // lines of one report
	maxBytes  = 1 << 18 // of the log that one report may reach over, lines of others included
	maxQuiet  = 20      // lines that belong to no report end it
	maxHead   = 12      // lines from the header to the stack trace, in which further headers are of the same event
	panicNear = 1 << 16 // bytes after a splat in which a panic is its consequence
)

// Scan returns the splats of a kernel log in the order in which they start, at most 1000 faults and 1000 others.
// A panic that follows a fault is no splat of its own: its text is in Splat.Panic of the fault.
func Scan(log []byte) []Splat {
	var out []Splat
	var faults int
	last := -1 // index of the latest fault
	walk(log, func(r report, line int) bool {
		fault := r.head.severity.Fault()
		if !fault && len(out)-faults >= maxSplats {
			return true
		}
		s := r.splat()
		s.Line = line
		if s.Kind == KindPanic && last >= 0 && s.Start-out[last].End <= panicNear {
			if out[last].Panic == "" {
				out[last].Panic = s.Panic
			}
			return true
		}
		out = append(out, s)
		if fault {
			last = len(out) - 1
			faults++
		}
		return faults < maxSplats
	})
	return out
}

// walk yields every report of log with its line number until yield returns false.
func walk(log []byte, yield func(report, int) bool) {
	absorbed := map[int]bool{} // starts of headers that an earlier report has absorbed
	counter := lineCounter{log: log, line: 1}
	for at := 0; ; {
		hit := allLiterals.next(log, at)
		if hit < 0 {
			return
		}
		at = hit
		sp, ok := lineAt(log, hit)
		if !ok { // in the middle of something endless: nothing before the next line can be the kernel's
			if at = bytes.IndexAny(log[hit:], "\n["); at < 0 {
				return
			}
			at += hit
			continue
		}
		at = max(sp.end, hit)
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
		if head.is(mute) {
			continue
		}
		if !yield(r, counter.at(r.start)) {
			return
		}
	}
}

// lineCounter turns growing offsets into line numbers without counting from the start each time.
type lineCounter struct {
	log    []byte
	offset int
	line   int
}

func (c *lineCounter) at(offset int) int {
	if offset > c.offset {
		c.line += bytes.Count(c.log[c.offset:offset], []byte{'\n'})
		c.offset = offset
	}
	return c.line
}
