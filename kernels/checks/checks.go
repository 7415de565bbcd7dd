// Package checks reads and compiles a module's source with the tools that a maintainer asks for, for one kernel: that kernel's own scripts,
// and programs of the root that its modules are built in. What each says becomes findings, at their places in the source.
//
// A module's source is a stranger's to the tools as well: all of them run in the sandbox. The package must never know how a tree or a
// root came about, nor what a finding means for anybody.
package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// Needs are the packages of Debian that the tools are in. Not every suite has all of them.
var Needs = []string{"clang", "codespell", "coccinelle", "libpython3-dev", "lld", "llvm", "perl", "python3", "python3-git", "python3-ply", "smatch", "sparse"}

// Version is part of whatever keeps results: raise it when the same source would get others.
const Version = "3"

// Request says what to check against which kernel. It is plain data but for Build.
type Request struct {
	Tree      *kernels.Tree   // with a root that has Needs, as far as they can be had
	Scripts   kernels.Scripts // of the kernel's source; Dir is empty where none can be had
	NoScripts string          // why
	Trouble   string          // why Needs could not be had; empty: what there is of them is there
	Source    kbuild.Source
	Exclude   []string // what of the source is not checked: patterns as Source.Omit has them
	Dir       string   // an empty host folder for private copies; the caller's to remove

	// Build builds the module in the empty host folder dir, with further NAME=VALUE arguments for every make. What make says goes to log.
	Build func(ctx context.Context, dir string, vars []string, log io.Writer) (*kbuild.Artifact, error)
}

// Result is what one check came to.
type Result struct {
	Name     string // as Names has it
	Tool     string // what made it, with its version; empty where it could not be had
	Findings []results.Finding
	Dropped  int           // further findings, beyond what is kept
	Note     string        // what a reader should know of how it ran; empty: nothing
	Noise    int           // findings in the kernel's own files, which are not counted
	Missing  string        // why the tool cannot be had; empty: it ran
	Broken   string        // why what it said, or that it said nothing, can not be believed
	Fault    string        // why the module does not build under it, in the compiler's words
	Took     time.Duration // of the tool, with the build that it takes
}

// maxFindings bounds what is kept of one check.
const maxFindings = 1000

// maxOutput bounds what a tool may say, in bytes.
const maxOutput = 32 << 20

// check is a row of the table of checks.
type check struct {
	name    string
	program string // in the root; empty: none is needed
	version string // its argument that makes it say its version; empty: it is known by its package alone
	script  string // of the kernel's source; empty: none is needed
	run     func(context.Context, *job, *Result) error
}

// table are the checks, in the order of reports. Those that build come in between those that read: the order decides nothing.
var table = []check{
	{name: "checkpatch", program: "perl", script: "scripts/checkpatch.pl", run: checkpatch},
	{name: "W=1", program: "make", run: withW1},
	{name: "sparse", program: "sparse", version: "--version", run: sparse},
	{name: "smatch", program: "smatch", version: "--version", run: smatch},
	{name: "clang", program: "clang", version: "--version", run: clang},
	{name: "coccicheck", program: "spatch", version: "--version", script: "scripts/coccicheck", run: coccicheck},
	{name: "kernel-doc", program: "perl", script: "scripts/kernel-doc", run: kernelDoc},
	{name: "codespell", program: "codespell", version: "--version", run: codespell},
	{name: "checkstack", program: "perl", script: "scripts/checkstack.pl", run: checkstack},
	{name: "includecheck", program: "perl", script: "scripts/checkincludes.pl", run: includecheck},
	{name: "spdx", program: "python3", script: "scripts/spdxcheck.py", run: spdx},
	{name: "deprecated", script: DeprecatedList, run: deprecated},
	{name: "metadata", run: metadata},
	{name: "versions", run: versions},
}

// Names are those of the checks, in the order of reports.
func Names() (names []string) {
	for _, c := range table {
		names = append(names, c.name)
	}
	return names
}

// Run runs every check, and returns a result for each. log gets all that the tools said. An error is of our side and of no check alone: the
// source cannot be copied, the disk is full, ctx ended.
func Run(ctx context.Context, r Request, log io.Writer) ([]Result, error) {
	j, err := newJob(ctx, r, log)
	if err != nil {
		return nil, err
	}
	all := make([]Result, len(table))
	for i, c := range table {
		began := time.Now()
		res := Result{Name: c.name}
		fmt.Fprintf(log, "# check:    %s\n", c.name)
		if res.Missing = j.missing(c); res.Missing == "" {
			res.Tool = j.tool(ctx, c)
			if err := c.run(ctx, j, &res); err != nil {
				if ctx.Err() != nil {
					return nil, context.Cause(ctx)
				}
				res.Broken = oneLine(err.Error())
			}
		}
		for _, why := range []string{res.Missing, res.Broken, res.Fault} {
			if why != "" {
				fmt.Fprintf(log, "# %s\n", why)
			}
		}
		res.finish()
		res.Took = time.Since(began)
		all[i] = res
	}
	return all, nil
}

// finish puts the findings into the order of the files, and drops what is there twice or is too much.
func (res *Result) finish() {
	slices.SortStableFunc(res.Findings, func(a, b results.Finding) int {
		fileA, lineA := splitPlace(a.Where)
		fileB, lineB := splitPlace(b.Where)
		if fileA != fileB {
			return strings.Compare(fileA, fileB)
		}
		return lineA - lineB
	})
	if more := len(res.Findings) - maxFindings; more > 0 {
		res.Findings, res.Dropped = res.Findings[:maxFindings], more
	}
}

// missing says why a check cannot be run; empty where it can.
func (j *job) missing(c check) string {
	if c.program != "" && j.program(c.program) == "" {
		if j.Trouble != "" {
			return c.program + " cannot be had: " + j.Trouble
		}
		if suite := j.Tree.Target.Suite; suite != "" {
			return fmt.Sprintf("%s has no %s", suite, c.program)
		}
		return fmt.Sprintf("%s is not installed where modules for this kernel are built", c.program)
	}
	if c.script == "" {
		return ""
	}
	if j.Scripts.Dir == "" {
		return "the source of this kernel's series cannot be had: " + j.NoScripts
	}
	if _, err := os.Stat(filepath.Join(j.Scripts.Dir, c.script)); err != nil {
		return fmt.Sprintf("the source of %s has no %s", j.Scripts.Version, c.script)
	}
	return ""
}

// program is where in the root a program is; empty where it is not.
func (j *job) program(program string) string {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/local/bin"} {
		if _, ok := kbuild.Find(j.Tree, filepath.Join(dir, program)); ok {
			return filepath.Join(dir, program)
		}
	}
	return ""
}

// tool names what makes a check, with its version.
func (j *job) tool(ctx context.Context, c check) string {
	script := ""
	if c.script != "" {
		script = filepath.Base(c.script) + " of " + j.Scripts.Version
	}
	switch {
	case c.name == "W=1":
		return j.Tree.Root.Compiler
	case c.version == "" && script == "":
		return "modmatrix"
	case c.version == "":
		return script
	}
	said, _, err := j.output(ctx, c.program, c.version)
	first, _, _ := strings.Cut(string(said), "\n")
	if err != nil || first == "" {
		return c.program
	}
	if !strings.Contains(strings.ToLower(first), c.program) {
		first = c.program + " " + first
	}
	if script != "" {
		first += ", " + script
	}
	return oneLine(first)
}

// errUnread says that a tool said what nobody understands.
func errUnread(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	more := ""
	if n := len(lines) - 1; n > 0 {
		more = fmt.Sprintf(", and %d lines more", n)
	}
	return errors.New("what it said is not understood: " + lines[0] + more)
}

// maxMessage bounds a message, in bytes: a tool repeats what the source says.
const maxMessage = 500

// oneLine is text on one line, of a length that can be shown.
func oneLine(text string) string {
	text = results.Plain(strings.Join(strings.Fields(text), " "))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
