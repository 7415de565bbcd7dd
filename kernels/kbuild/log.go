package kbuild

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

const (
	maxLine = 4 << 10  // bytes of a line that are looked at
	maxLog  = 64 << 20 // bytes of output that are kept; a build that says more is still read, and judged
)

// buildLog passes make's output on and reads it on the way. What its writer refuses stops neither.
type buildLog struct {
	diagnosis
	out     io.Writer
	err     error // the first of out
	written int64
	line    []byte // the unfinished one
	broken  string // bwrap's last word about itself
	kernel  bool   // the kernel's build system was seen to build a module
	strays  []Stray
	scene   scene
	done    []saidLack // what was said to be lacking in steps that are over
}

func newLog(out io.Writer) *buildLog {
	if out == nil {
		out = io.Discard
	}
	return &buildLog{out: out, diagnosis: diagnosis{at: guestBuild}}
}

func (l *buildLog) header(tree *kernels.Tree) {
	l.printf("# release:  %s\n# compiler: %s\n", tree.Target.Release, tree.Root.Compiler)
}

func (l *buildLog) begin(command string) {
	l.printf("# command:  %s\n", command)
	l.done = append(l.done, l.lacks...)
	l.diagnosis = diagnosis{at: l.at, kdir: l.kdir, release: l.release, command: command}
	l.kernel = false
}

// footer says how it ended, and returns the first error that the log's writer gave.
func (l *buildLog) footer(err error, elapsed time.Duration) error {
	how := "exit 0"
	if fault := (*Error)(nil); errors.As(err, &fault) {
		how = fmt.Sprintf("exit %d, %v", fault.ExitCode, fault)
	} else if err != nil {
		how = "broken off: " + err.Error()
	}
	l.printf("# %s, after %.1f s\n", how, elapsed.Seconds())
	return l.err
}

func (l *buildLog) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(l.out, format, args...); err != nil && l.err == nil {
		l.err = err
	}
}

// Write takes a piece of output. It never fails: whoever writes it shall come to its end.
func (l *buildLog) Write(p []byte) (int, error) {
	if room := maxLog - l.written; room > 0 && l.err == nil {
		n, err := l.out.Write(p[:min(int64(len(p)), room)])
		l.err = err
		if l.written += int64(n); l.written >= maxLog {
			l.printf("\n# cut here: the output is longer than %d MiB\n", maxLog>>20)
		}
	}
	for rest := p; len(rest) > 0; {
		piece, after, ended := bytes.Cut(rest, []byte("\n"))
		if l.line = append(l.line, piece[:min(len(piece), maxLine-len(l.line))]...); ended {
			l.flush()
		}
		rest = after
	}
	return len(p), nil
}

func (l *buildLog) flush() {
	if line := string(l.line); line != "" {
		if strings.HasPrefix(line, "bwrap: ") {
			l.broken = clean(line)
		}
		l.kernel = l.kernel || strings.HasPrefix(line, "  ") && strings.Contains(line, " [M] ")
		l.add(line)
	}
	l.line = l.line[:0]
}

// sandboxSaid is what bwrap said of itself, as the end of an error message.
func (l *buildLog) sandboxSaid() string {
	if l.broken != "" {
		return " (" + l.broken + ")"
	}
	return ""
}
