package source

import (
	"bytes"
	"io"
	"regexp"

	"github.com/modmatrix/modmatrix/kernels"
)

// buildLog passes what a build says on to a file, keeps what matters of it, and counts what was compiled.
type buildLog struct {
	out    io.Writer
	what   string // the step, as progress calls it
	total  int64  // objects that are expected
	report func(kernels.Progress)
	done   int64
	line   []byte
	faults []byte // the first lines that look like a fault
	last   []byte // the last line
}

// maxFaults bounds what is kept for the error, in bytes; maxLine what is looked at of a line.
const (
	maxFaults = 8 << 10
	maxLine   = 4 << 10
)

const objects = "objects"

// compiled is what make says for each object (Linux scripts/Kbuild.include, "quiet").
var compiled = regexp.MustCompile(`^  (CC|AS)( \[M\])?  `)

// quiet is any of make's lines of that kind: a file may be called error.c.
var quiet = regexp.MustCompile(`^  [A-Z]+ `)

func (l *buildLog) step(what string, total int64) {
	l.what, l.total, l.done = what, total, 0
	l.progress()
}

// progress reports how far the step is: some have nothing to count.
func (l *buildLog) progress() {
	p := kernels.Progress{What: l.what, Done: l.done, Total: l.total}
	if l.total > 0 {
		p.Unit = objects
	}
	l.report(p)
}

// Write never fails: a build is not to stop for its log.
func (l *buildLog) Write(p []byte) (int, error) {
	_, _ = l.out.Write(p)
	for rest := p; len(rest) > 0; {
		piece, after, ended := bytes.Cut(rest, []byte("\n"))
		l.line = append(l.line, piece[:min(len(piece), maxLine-len(l.line))]...)
		if ended {
			l.read(l.line)
			l.line = l.line[:0]
		}
		rest = after
	}
	return len(p), nil
}

func (l *buildLog) read(line []byte) {
	switch {
	case compiled.Match(line):
		if l.done < l.total-1 { // it is an estimate
			l.done++
		}
		if l.total > 0 {
			l.progress()
		}
	case fault.Match(line) && !quiet.Match(line) && len(l.faults) < maxFaults:
		l.faults = append(append(l.faults, line...), '\n')
	}
	if len(bytes.TrimSpace(line)) > 0 {
		l.last = append(l.last[:0], line...)
	}
}

func (l *buildLog) said() string { return string(l.faults) + string(l.last) }

// fault is a line that says what went wrong, as against the many that say what was done.
var fault = regexp.MustCompile(`(?i)(\berror\b|\bfatal\b|cannot|no rule to make|not found|no space left|^bwrap:)`)

var tools = kernels.Tools{Fault: fault}
