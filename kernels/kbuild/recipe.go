package kbuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

const (
	guestBuild   = sandbox.Home // where the private copy is mounted, the same in every build, so that debug info is the same too
	guestSymbols = "/symbols"   // where the Module.symvers of other external modules are

)

// Time stands for the time of day wherever a build asks for it, and is that of every file of a source, in seconds since 1970: the .ko
// depends on the source and the tree alone.
const Time = 946684800 // 2000-01-01T00:00:00Z

// Recipe says how a source is built that brings its own instructions along. Without one, Build runs the kernel's build system
// on it and takes the modules that modules.order lists.
type Recipe struct {
	At      string          // where the copy of the source stands in the sandbox, absolute; empty: where every other build stands
	Beside  string          // a mount of the source, absolute: a second copy stands there, and may be written to; empty: none is made
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
	Tree     *kernels.Tree
	Dir      string          // the host folder that it may write to
	At       string          // where that stands inside, absolute; empty: /build
	Mounts   []kernels.Mount // read-only ones, besides the tree's
	Writable []kernels.Mount // further host folders that it may write to, each over a mount
	Env      [][2]string     // besides what every build knows of where it runs
}

// environment is what a build knows of where it runs (Linux Documentation/kbuild/reproducible-builds.rst).
var environment = [][2]string{
	{"GIT_CONFIG_COUNT", "1"}, {"GIT_CONFIG_KEY_0", "safe.directory"}, {"GIT_CONFIG_VALUE_0", "*"}, // whoever owns the source
	{"KBUILD_BUILD_HOST", "modmatrix"},
	{"KBUILD_BUILD_TIMESTAMP", "@" + strconv.Itoa(Time)},
	{"KBUILD_BUILD_USER", "modmatrix"},
	{"SOURCE_DATE_EPOCH", strconv.Itoa(Time)},
}

// Run runs a command, as sandbox.Box.Run does.
func (s Sandbox) Run(ctx context.Context, out io.Writer, command ...string) (int, error) {
	box := sandbox.Box{Root: s.Tree.Root, Mounts: slices.Concat(s.Tree.Mounts, s.Mounts), Dir: s.Dir, At: s.At, Writable: s.Writable,
		Env: slices.Concat(environment, s.Env)}
	return box.Run(ctx, out, command...)
}

func (s Sandbox) at() string { return cmp.Or(s.At, guestBuild) }

// sandbox is where the request is built. What other modules export comes along as Linux Documentation/kbuild/modules.rst
// has it; a Makefile that sets the variable itself wins.
func (r Request) sandbox() Sandbox {
	s := Sandbox{Tree: r.Tree, Dir: r.Dir}
	if r.Recipe != nil {
		s.At, s.Mounts = r.Recipe.At, slices.Clone(r.Recipe.Mounts)
	}
	if r.beside != "" {
		s.Writable = []kernels.Mount{{Host: r.beside, Guest: r.Recipe.Beside}}
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
	for _, arg := range r.Tree.Root.Make { // for scripts, which no make passes them to
		if name, value, _ := strings.Cut(arg, "="); name == "ARCH" || name == "CROSS_COMPILE" {
			s.Env = append(s.Env, [2]string{name, value})
		}
	}
	r.keepObjects(&s)
	return s
}

// run runs the command of a step, and returns its exit code.
func (r Request) run(ctx context.Context, s Sandbox, step Step, log *buildLog) (int, error) {
	log.begin(cmp.Or(step.Shown, results.ShellLine(step.Command...)))
	exit, err := s.Run(ctx, log, step.Command...)
	log.flush()
	r.reclaim()
	if err != nil {
		return 0, fmt.Errorf("build for %s: %w%s", r.Tree.Target.Release, err, log.sandboxSaid())
	}
	if exit != 0 {
		log.printf("# exit code %d\n", exit)
	}
	return exit, nil
}

// verdict is what the end of a make means.
func (r Request) verdict(exit int, log *buildLog) error { return r.judge(log, Step{}, exit) }

// step runs one step of a recipe. What a script says is no sign of what is wrong: it may be probing what the kernel can.
func (r Request) step(ctx context.Context, s Sandbox, step Step, log *buildLog) error {
	if step.Note != "" {
		log.printf("# note:     %s\n", step.Note)
		return nil
	}
	exit, err := r.run(ctx, s, step, log)
	if err != nil {
		return err
	}
	return r.judge(log, step, exit)
}

// judge says what the end of a step means.
func (r Request) judge(log *buildLog, step Step, exit int) error {
	said := log.lastSaid()
	err := log.verdict(exit, r.inCopy)
	if r.Recipe != nil && (exit == 126 || exit == 127) && said != "" { // sh's words for a command that it cannot run or find
		err = &Error{Code: results.CodeBuildError, Reason: said, ExitCode: exit}
	}
	if fault := (*Error)(nil); errors.As(err, &fault) {
		err = cmp.Or(r.strange(fault), err)
	}
	switch fault := (*Error)(nil); {
	case err != nil && !errors.As(err, &fault):
		return fmt.Errorf("build for %s: %w", r.Tree.Target.Release, err)
	case err == nil, r.Recipe != nil && exit == 0:
		return nil // as its own tools would have it, whatever was said
	default:
		if step.Name != "" {
			fault.Reason = cut(strings.TrimSuffix(fmt.Sprintf("%s failed with exit code %d: %s", step.Name, exit, said), ": "))
		}
		return log.scene.excuse(log, step, fault)
	}
}

// lookAt lays out what a build for tree sees.
func lookAt(tree *kernels.Tree) (*sandbox.View, error) {
	v, err := sandbox.Layout(tree.Root, tree.Mounts)
	if err != nil {
		return nil, fmt.Errorf("lay out root for %s: %w", tree.Target.Release, err)
	}
	return v, nil
}

// Find returns where on the host the file is that a build for tree sees at guest, and whether there is one.
func Find(tree *kernels.Tree, guest string) (string, bool) {
	v, err := lookAt(tree)
	if err != nil {
		return "", false
	}
	host, err := v.Find(guest)
	return host, err == nil
}

// reclaim gives back the right to remove what a build wrote to: it may have taken it from folders in there. Where that fails,
// removing it will, and say so.
func (r Request) reclaim() {
	reclaim(r.Dir)
	if r.beside != "" {
		reclaim(r.beside)
	}
}

func reclaim(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return
	}
	defer root.Close()
	fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if tooDeep(name) { // whoever removes the folder copes with it
			return fs.SkipDir
		}
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o700 != 0o700 {
			root.Chmod(name, info.Mode().Perm()|0o700)
		}
		return nil
	})
}
