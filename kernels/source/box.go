package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bytes"
	"regexp"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
)

const (
	guestKDIR  = "/usr/src/linux" // where a kernel is compiled and where modules find it: the same for all
	guestStage = "/out"           // where what is to be kept is put
	buildTime  = 946684800        // 2000-01-01T00:00:00Z: the image depends on source, configuration and compiler alone
	ccacheMax  = "1G"             // a minimal kernel takes 50 MB of it; nobody but ccache itself makes room in there
)

// environment is all that a build knows of where it runs (Linux Documentation/kbuild/reproducible-builds.rst).
var environment = [][2]string{
	{"CCACHE_DIR", "/tmp/ccache"}, {"CCACHE_MAXSIZE", ccacheMax}, {"CCACHE_NOHASHDIR", "1"},
	{"HOME", "/tmp"},
	{"KBUILD_BUILD_HOST", "modmatrix"}, {"KBUILD_BUILD_USER", "modmatrix"},
	{"KBUILD_BUILD_TIMESTAMP", "@" + strconv.Itoa(buildTime)}, {"SOURCE_DATE_EPOCH", strconv.Itoa(buildTime)},
	{"LC_ALL", "C"},
	{"PATH", "/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin"}, // no ccache in the root: the folder is not there
	{"TZ", "UTC"},
}

// box is where commands run that a stranger wrote: a root, one folder that they may write to as /usr/src/linux, one as
// /out, and nothing else of the host; no network.
type box struct {
	root   kernels.Root
	make   []string // what is passed to every make, as NAME=VALUE without blanks
	linux  string   // host path of the source
	stage  string   // host path for results; "" for none
	ccache string   // host path of the compiler's cache; "" for none
}

func (b box) sandbox(in io.Reader) sandbox.Box {
	env := environment
	if len(b.make) > 0 { // as if on each command line (GNU make manual, "Communicating Options to a Sub-make")
		env = append(slices.Clip(env), [2]string{"MAKEFLAGS", " -- " + strings.Join(b.make, " ")})
	}
	s := sandbox.Box{Root: b.root, Dir: b.linux, At: guestKDIR, Env: env, Stdin: in}
	for _, m := range []kernels.Mount{{Host: b.stage, Guest: guestStage}, {Host: b.ccache, Guest: "/tmp/ccache"}} {
		if m.Host != "" {
			s.Writable = append(s.Writable, m)
		}
	}
	return s
}

// run runs argv in the box; all that it says goes to log. When it returns, no process of the box is left.
func (b box) run(ctx context.Context, in io.Reader, log *buildLog, argv ...string) error {
	exit, err := b.sandbox(in).Run(ctx, log, argv...)
	switch {
	case errors.Is(err, sandbox.ErrNotMade):
		return tools.Failed("bwrap", log.said(), err)
	case err == nil && exit != 0:
		return tools.Failed(argv[0], log.said(), fmt.Errorf("exit status %d", exit))
	}
	return err
}

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
