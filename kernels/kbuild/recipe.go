package kbuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// Recipe says how a source is built that brings its own instructions along. Without one, Build runs the kernel's build system
// on it and takes the modules that modules.order lists.
type Recipe struct {
	At      string          // where the copy of the source stands in the sandbox, absolute; empty: where every other build stands
	Mounts  []kernels.Mount // read-only ones, besides the tree's
	Steps   []Step          // in order; the first that fails ends it
	Modules []string        // the .ko files, relative to At, that must be there after Steps; each once
	After   []Step          // what runs when they are there and proven
}

// Step is one command of a recipe.
type Step struct {
	Name    string   // of the step, as a reason names it: "PRE_BUILD ./configure"; empty for the make that builds the modules
	Command []string // and its arguments; it runs in At
	Shown   string   // the command as the log shows it; empty shows Command
	Note    string   // a line for the log instead of a command: the step does nothing
}

// Sandbox is where a stranger's code runs: in the root of a tree, without network and without the host's files.
type Sandbox struct {
	Tree   *kernels.Tree
	Dir    string          // the one host folder that it may write to
	At     string          // where that stands inside, absolute; empty: /build
	Mounts []kernels.Mount // read-only ones, besides the tree's
	Env    [][2]string     // besides what every build knows of where it runs
}

// Run runs a command and returns its exit code. Its output goes to out as it comes. An error means that it did not run to its
// end, for a reason that is not its fault: the sandbox could not be made, ctx ended (the error then wraps its cause), the disk is full.
func (s Sandbox) Run(ctx context.Context, out io.Writer, command ...string) (int, error) {
	v, err := s.view()
	if err != nil {
		return 0, err
	}
	if err := checkDisk(s.Dir); err != nil {
		return 0, err
	}
	return run(ctx, s.args(v, command), s.Dir, out)
}

// view lays out what the sandbox sees.
func (s Sandbox) view() (*view, error) {
	v, err := layout(s.Tree.Root, slices.Concat(s.Tree.Mounts, s.Mounts))
	if err == nil && s.at() != guestBuild {
		err = v.open(path.Dir(s.at()))
	}
	if err != nil {
		return nil, fmt.Errorf("lay out root for %s: %w", s.Tree.Target.Release, err)
	}
	return v, nil
}

func (s Sandbox) at() string { return cmp.Or(s.At, guestBuild) }

// args is the whole argument list of bwrap: command runs in v, may write to Dir alone, and reaches nothing else.
// Descriptor 3 is where bwrap reports what became of it.
func (s Sandbox) args(v *view, command []string) []string {
	args := []string{
		"--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
		"--hostname", "modmatrix", "--json-status-fd", "3",
	}
	for _, e := range slices.Concat(environment, s.Env) {
		args = append(args, "--setenv", e[0], e[1])
	}
	args = append(args, "--proc", "/proc", "--dev", "/dev", "--size", strconv.Itoa(shmSize), "--tmpfs", "/dev/shm",
		"--size", strconv.Itoa(tmpSize), "--tmpfs", "/tmp", "--dir", "/tmp/home")
	args = append(args, v.args...) // after /tmp: the host's own kernel tree may lie there
	args = append(args, "--bind", s.Dir, s.at())
	args = append(args, v.seal()...)
	// bwrap itself leaves /proc/sys writable, and root owns what is in there without any capability: core_pattern alone
	// would let a Makefile run a program on the host (Linux fs/proc/proc_sysctl.c, test_perm). Its /dev is memory without bounds.
	args = append(args, "--remount-ro", "/proc", "--remount-ro", "/dev")
	args = append(args, "--chdir", s.at(), "--", "sh", "-c", limitScript, "sh")
	return append(args, command...)
}

// sandbox is where the request is built. What other modules export comes along as Linux Documentation/kbuild/modules.rst
// has it; a Makefile that sets the variable itself wins.
func (r Request) sandbox() Sandbox {
	s := Sandbox{Tree: r.Tree, Dir: r.Dir}
	if r.Recipe != nil {
		s.At, s.Mounts = r.Recipe.At, slices.Clone(r.Recipe.Mounts)
	}
	var names []string
	for i, host := range r.Symbols {
		guest := fmt.Sprintf("%s/%d.symvers", guestSymbols, i)
		names = append(names, guest)
		s.Mounts = append(s.Mounts, kernels.Mount{Host: host, Guest: guest})
	}
	if len(names) > 0 {
		s.Env = [][2]string{{"KBUILD_EXTRA_SYMBOLS", strings.Join(names, " ")}}
	}
	return s
}

// step runs one step of a recipe. What a script says is no sign of what is wrong: it may be probing what the kernel can.
func (r Request) step(ctx context.Context, s Sandbox, step Step, log *buildLog) error {
	if step.Note != "" {
		log.printf("# note:     %s\n", step.Note)
		return nil
	}
	log.begin(cmp.Or(step.Shown, results.ShellLine(step.Command...)))
	exit, err := s.Run(ctx, log, step.Command...)
	log.flush()
	reclaim(r.Dir)
	if err != nil {
		return fmt.Errorf("build for %s: %w%s", r.Tree.Target.Release, err, log.sandboxSaid())
	}
	if exit != 0 {
		log.printf("# exit code %d\n", exit)
	}
	if r.Recipe != nil && (exit == 126 || exit == 127) { // sh's words for a command that it cannot run or find
		return fmt.Errorf("build for %s: the root lacks a program that %s runs: %s", r.Tree.Target.Release, cmp.Or(step.Name, "the build"), log.lastSaid())
	}
	err = log.verdict(exit, r.inCopy)
	if fault := (*Error)(nil); errors.As(err, &fault) {
		err = cmp.Or(r.strange(fault), err)
	}
	switch fault := (*Error)(nil); {
	case err != nil && !errors.As(err, &fault):
		return fmt.Errorf("build for %s: %w", r.Tree.Target.Release, err)
	case r.Recipe != nil && exit == 0:
		return nil // as its own tools would have it, whatever was said
	case err != nil && step.Name != "":
		fault.Reason = step.Name + fmt.Sprintf(" failed with exit code %d", exit)
		if said := log.lastSaid(); said != "" {
			fault.Reason = cut(fault.Reason + ": " + said)
		}
		return fault
	case err != nil:
		return fault
	}
	return nil
}

// Find returns where on the host the file is that a build for tree sees at guest, and whether there is one.
func Find(tree *kernels.Tree, guest string) (string, bool) {
	v, err := layout(tree.Root, tree.Mounts)
	if err != nil {
		return "", false
	}
	host, err := v.find(guest)
	return host, err == nil
}
