// Package kbuild builds one external module against one kernel tree, in the root that the tree belongs to, and proves
// what came out: every .ko is there, is a module, and is for that kernel.
//
// A module's Makefile is code from a stranger. It runs without network and without the host's files, and may write to a
// private copy of the source alone. The package must never know how a tree came about, nor what is done with the module.
package kbuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

// Request says what to build. It is plain data but for Log.
type Request struct {
	Tree    *kernels.Tree
	Source            // what is copied and built
	Dir     string    // an empty host folder for private copies of the source; the caller's to keep or remove
	Make    []string  // further NAME=VALUE arguments of make
	Jobs    int       // of make; zero means one
	Log     io.Writer // everything make says, between a header and a footer; nil for nowhere
	Recipe  *Recipe   // nil: the kernel's build system decides; else Folder says nothing, and Make is passed to every make
	Symbols []string  // host paths of the Module.symvers of external modules that this one builds upon
	// Objects is a host folder with what ccache kept of earlier builds of this very source for this tree, and keeps of this one, where
	// the root has it. What is in it comes from the source's Makefile: nobody else's builds may see it. Empty: all is compiled.
	Objects string

	beside string   // host folder of the copy that Recipe.Beside asks for
	built  []string // the folders of the copy in which a Makefile had modules built; empty: Folder, or those of Recipe.Modules
}

// Artifact is what a build that succeeded made.
type Artifact struct {
	Modules []Module // in load order: what others among them depend on comes first
	// Unlisted are further modules that a package's build made and that the package does not name.
	Unlisted []Module
	Symvers  string   // host path of the Module.symvers that the build left: what it exports; empty where it left none
	Notes    []string // what a person should know of how it was built, one line each
	Lacks    []Lack   // what the build asked for, and did without
	// Objects is what the root's ccache noted in Request.Objects, which the module's Makefile may write to as well: worth a line, and no
	// more. The zero value: nothing is known.
	Objects results.Objects
	Elapsed time.Duration // wall-clock, from the copy of the source to the proof
}

// Build copies the source, runs the kernel's build system on the copy, and proves the result.
//
// An *Error is the module's fault; a *SourceError is the user's to mend. Any other error says nothing of the module:
// bubblewrap or the root is missing, the disk or the memory is full, ctx ended (the error then wraps its cause).
// The same source and tree give the same .ko, byte for byte, as far as the module's own Makefile does not undo it.
func Build(ctx context.Context, r Request) (*Artifact, error) {
	start := time.Now()
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.Recipe != nil && r.Recipe.Beside != "" {
		r.Dir, r.beside = filepath.Join(r.Dir, "build"), filepath.Join(r.Dir, "source")
	}
	log := newLog(r.Log)
	log.at, log.kdir, log.release = r.sandbox().at(), r.Tree.KDIR, r.Tree.Target.Release
	log.header(r.Tree)
	r.forgetStats()
	made, err := build(ctx, r, log)
	objects := r.reuse()
	if all := objects.Compiled + objects.Reused; all > 0 {
		log.printf("# objects:  %d, of which %d are of earlier builds\n", all, objects.Reused)
	}
	err = missed(err, log.strays, r.Top)
	elapsed := time.Since(start)
	if logErr := log.footer(err, elapsed); logErr != nil && err == nil {
		err = fmt.Errorf("write build log: %w", logErr)
	}
	if err != nil {
		return nil, err
	}
	notes, lacks := log.scene.without(log)
	return &Artifact{Modules: made.modules, Unlisted: r.unlisted(made.modules), Symvers: findSymvers(r.Dir, made.folders), Notes: slices.Concat(StraysNote(log.strays), made.notes, notes), Lacks: lacks, Objects: objects, Elapsed: elapsed}, nil
}

// product is what a build made in the copy of the source.
type product struct {
	modules []Module
	folders []string // in which they were built
	notes   []string
}

func build(ctx context.Context, r Request, log *buildLog) (made product, err error) {
	v, err := lookAt(r.Tree)
	if err != nil {
		return made, err
	}
	log.scene = scene{r, v}
	if _, err := v.Find(path.Join(r.Tree.KDIR, "Makefile")); err != nil {
		return made, fmt.Errorf("find kernel build directory of %s: %w", r.Tree.Target.Release, err)
	}
	if log.strays, err = r.copy(ctx); err != nil {
		return made, err
	}
	if r.Recipe != nil {
		return r.follow(ctx, v, log)
	}
	made, err = r.asAuthor(ctx, v, log)
	if none := (*undecided)(nil); errors.As(err, &none) {
		return r.afterAuthor(ctx, v, log, none)
	}
	return made, err
}

// follow builds by the recipe.
func (r Request) follow(ctx context.Context, v *sandbox.View, log *buildLog) (made product, err error) {
	s := r.sandbox()
	s.passToMakes(slices.Concat(r.Tree.Root.Make, withoutBTF(v, r.Tree), r.Make), log)
	for _, step := range r.Recipe.Steps {
		if err := r.step(ctx, s, step, log); err != nil {
			return made, err
		}
	}
	if made.modules, err = prove(r, r.Recipe.Modules, "the package", "the package names none"); err != nil {
		return made, log.scene.explain(log, err)
	}
	for _, step := range r.Recipe.After {
		if err := r.step(ctx, s, step, log); err != nil {
			return made, err
		}
	}
	made.folders = r.folders()
	return made, nil
}

// afterAuthor builds by the kernel's build system alone, as the author's part did not decide. Where that part broke off for what the root
// lacks, or nothing is built without it, it did.
func (r Request) afterAuthor(ctx context.Context, v *sandbox.View, log *buildLog, none *undecided) (made product, err error) {
	log.printf("# way:      the kernel's build system alone: %s\n", none.why)
	made, err = r.byKernel(ctx, v, log)
	fault := (*Error)(nil)
	switch {
	case none.fault == nil || err != nil && !errors.As(err, &fault):
		return made, err
	case err != nil && (errors.Is(err, ErrNothingBuilt) || !errors.As(none.fault, &fault)):
		return made, none.fault
	case err == nil:
		made.notes = append(made.notes, fmt.Sprintf("built by the kernel's build system alone: %s (%s)", none.why, reasonOf(none.fault)))
	}
	return made, err
}

// byKernel builds by the kernel's build system alone.
func (r Request) byKernel(ctx context.Context, v *sandbox.View, log *buildLog) (made product, err error) {
	for _, step := range kernelSteps(r, v) {
		if err := r.step(ctx, r.sandbox(), step, log); err != nil {
			return made, err
		}
	}
	made.folders = r.folders()
	names, err := readOrder(r.Dir, path.Clean(r.Folder))
	if err != nil {
		return made, err
	}
	if made.modules, err = prove(r, names, "modules.order", ""); err != nil {
		return made, log.scene.explain(log, err)
	}
	return made, nil
}

// copy makes the private copies of the source.
func (r Request) copy(ctx context.Context) (strays []Stray, err error) {
	copies := []string{r.Dir}
	if r.beside != "" {
		copies = append(copies, r.beside)
	}
	for _, to := range copies {
		if err := os.MkdirAll(to, 0o755); err != nil {
			return nil, fmt.Errorf("make build folder: %w", err)
		}
		if err := sandbox.CheckDisk(to); err != nil {
			return nil, err
		}
		if strays, err = r.Copy(ctx, to); err != nil {
			return nil, err
		}
	}
	return strays, nil
}

func kernelSteps(r Request, v *sandbox.View) []Step {
	command, extra := makeCommand(r), withoutBTF(v, r.Tree)
	step := Step{Command: r.onMachine("", append(command, extra...)...), Shown: results.ShellLine(append(command, extra...)...)}
	if extra == nil {
		return []Step{step}
	}
	return []Step{{Note: "the root has no pahole, so the module gets no BTF: " + results.ShellLine(extra...)}, step}
}

// inCopy returns where in the copy of the source a file is that the compiler names, if it is.
func (r Request) inCopy(name string) (string, bool) {
	built, err := os.OpenRoot(r.Dir)
	if err != nil {
		return name, false
	}
	defer built.Close()
	for _, folder := range append([]string{"."}, r.folders()...) {
		at := path.Join(folder, name)
		if _, err := built.Stat(at); err == nil && name != "" {
			return at, true
		}
	}
	return name, false
}

// folders are those of the copy in which modules are built, sorted.
func (r Request) folders() []string {
	switch {
	case len(r.built) > 0:
		return r.built
	case r.Recipe == nil:
		return []string{path.Clean(r.Folder)}
	}
	folders := []string{"."}
	for _, ko := range r.Recipe.Modules {
		folders = append(folders, path.Dir(ko))
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

func (r Request) check() error {
	switch {
	case r.Tree == nil || r.Tree.KDIR == "" || r.Tree.Target.Release == "":
		return errors.New("build request without a kernel tree, its build directory or its release")
	case r.Dir == "":
		return errors.New("build request without a build folder")
	case r.Jobs < 0:
		return fmt.Errorf("build jobs are %d: give 1 or more, or 0 for one", r.Jobs)
	}
	if !PlainFolder(r.Folder) {
		return fmt.Errorf("folder %q: make cannot build there, give a plain path inside the source", r.Folder)
	}
	if r.Recipe != nil && r.Recipe.At != "" && (!path.IsAbs(r.Recipe.At) || path.Clean(r.Recipe.At) != r.Recipe.At) {
		return fmt.Errorf("recipe builds at %q: give a clean absolute path", r.Recipe.At)
	}
	for _, arg := range r.Make {
		if err := checkMakeArg(arg); err != nil {
			return err
		}
	}
	return nil
}

// PlainFolder reports whether make can build in a folder of that name, a path inside a source; empty is the source itself.
func PlainFolder(name string) bool {
	return name == "" || filepath.IsLocal(name) && !strings.ContainsAny(name, " \t\n:;#$%'\"\\")
}

// BareMake runs the make that Build would run for r, as a person who stands in the root would: no copy of the source, no
// limits, no log, no proof, and no sandbox but for what it takes to stand there. It returns how long make itself took. It is
// what Build is measured against, and nothing else: r.Dir holds the source already and is written to. r.Log hears make.
func BareMake(ctx context.Context, r Request) (time.Duration, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	v, err := lookAt(r.Tree)
	if err != nil {
		return 0, err
	}
	args := []string{"--unshare-pid", "--die-with-parent", "--clearenv"}
	for _, e := range slices.Concat(sandbox.Environment, environment) {
		args = append(args, "--setenv", e[0], e[1])
	}
	args = append(args, v.Args()...)
	args = append(args, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", r.Dir, guestBuild, "--",
		"sh", "-c", `t=$(date +%s%N); "$@" >&2; e=$?; echo $(($(date +%s%N) - t))ns; exit $e`, "sh")
	args = append(args, append(makeCommand(r), withoutBTF(v, r.Tree)...)...)
	cmd := exec.CommandContext(ctx, "bwrap", args...)
	cmd.Stderr = r.Log
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("bare make for %s: %w", r.Tree.Target.Release, err)
	}
	return time.ParseDuration(strings.TrimSpace(string(out)))
}
