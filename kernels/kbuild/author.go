package kbuild

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

//go:embed machine.sh
var machineScript string

// onMachine is a command that runs in the source's folder as on a machine that runs the target's kernel. What make built is left in the
// file answer; nowhere if that is empty.
func (r Request) onMachine(answer string, command ...string) []string {
	t := r.Tree.Target
	return append([]string{"bash", "-c", machineScript, "bash", path.Join(guestBuild, r.Folder), t.Release, t.Arch, r.Tree.KDIR,
		strconv.Itoa(cmp.Or(r.Jobs, 1)), answer}, command...)
}

// machineMounts are what a machine that runs the target's kernel has besides the tree: links to the build folder, and the configuration.
func (r Request) machineMounts(v *sandbox.View) (mounts []kernels.Mount) {
	release := r.Tree.Target.Release
	for _, name := range []string{"build", "source"} {
		link := path.Join("/lib/modules", release, name)
		if _, err := v.Find(path.Join(link, "Makefile")); err != nil {
			mounts = append(mounts, kernels.Mount{Link: r.Tree.KDIR, Guest: link})
		}
	}
	if r.Tree.DotFile != "" {
		mounts = append(mounts, kernels.Mount{Host: r.Tree.DotFile, Guest: "/boot/config-" + release})
	}
	if _, err := sandbox.Layout(r.Tree.Root, slices.Concat(r.Tree.Mounts, mounts)); err != nil {
		return nil // a root that has no room for them
	}
	return mounts
}

// asAuthor builds by the part of the Makefile that is for people, as its users do. Where that never comes to call the kernel's build
// system, for a cause that may not be the module's, the error is an *undecided.
func (r Request) asAuthor(ctx context.Context, v *sandbox.View, log *buildLog) (made product, err error) {
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return made, fmt.Errorf("open build folder: %w", err)
	}
	defer root.Close()
	text := forPeople(root, path.Clean(r.Folder))
	if !callsKernel(text) {
		return made, &undecided{why: "no makefile has a part for people that calls it"}
	}
	release := r.Tree.Target.Release
	named := customary(root, path.Clean(r.Folder), path.Join("/lib/modules", release, "build"), release)
	usual := slices.Concat(r.llvm(), r.Tree.Root.Make, withoutBTF(v, r.Tree), r.Make)
	s := r.sandbox()
	s.passToMakes(usual, log)
	s.Mounts = append(s.Mounts, r.machineMounts(v)...)
	log.printf("# way:      the Makefile's default target, as its users run it\n")
	if err := r.configure(ctx, s, root, text, log); err != nil {
		return made, err
	}
	made, err = r.attempt(ctx, s, nil, usual, log)
	if none := (*undecided)(nil); errors.As(err, &none) && !none.final && len(named) > 0 {
		log.printf("# note:     make did not come to call the kernel's build system: again, with the kernel named by what the Makefile reads\n")
		made, err = r.attempt(ctx, s, named, usual, log)
	}
	if none := (*undecided)(nil); errors.As(err, &none) && none.fault == nil && !none.final && modulesTarget.MatchString(text) {
		log.printf("# note:     the default target does not call the kernel's build system: again, by the target modules\n")
		return r.attempt(ctx, s, []string{"modules"}, usual, log)
	}
	return made, err
}

// modulesTarget is the target that people take where the default one is another, such as help.
var modulesTarget = regexp.MustCompile(`(?m)^(?:[\w.-]+[ \t]+)*modules(?:[ \t]+[\w.-]+)*[ \t]*:(?:[^=:]|$)`)

const configureScript = "configure"

// configure runs the script that people run before make, where there is one and the text of the makefile does not name it. Whether make can
// do without what it fails to find, make shows.
func (r Request) configure(ctx context.Context, s Sandbox, root *os.Root, text string, log *buildLog) error {
	info, err := root.Stat(path.Join(r.Folder, configureScript))
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || strings.Contains(text, configureScript) {
		return nil
	}
	_, err = r.run(ctx, s, Step{Command: r.onMachine("", "./"+configureScript), Shown: "./" + configureScript}, log)
	return err
}

// undecided is why the author's part does not say whether the module builds.
type undecided struct {
	why   string
	fault error // that it failed with, its own or of what the root lacks; nil where it ended well
	final bool  // to name the kernel by variables would not help
}

func (u *undecided) Error() string { return u.why }

// attempt runs make once, with the variables given.
func (r Request) attempt(ctx context.Context, s Sandbox, given, usual []string, log *buildLog) (made product, err error) {
	command := append([]string{"make"}, given...)
	step := Step{Command: r.onMachine(path.Join(guestBuild, callsFile), command...), Shown: results.ShellLine(command...)}
	exit, err := r.run(ctx, s, step, log)
	if err != nil {
		return made, err
	}
	calls, err := takeCalls(r.Dir)
	if err != nil {
		return made, fmt.Errorf("read what make called: %w", err)
	}
	if len(calls) > 0 || log.kernel || exit == 0 && r.hasModules() { // a call by another name than make is not noted
		return r.madeBy(calls, exit, append(usual, given...), log)
	}
	if exit == 0 {
		return made, &undecided{why: "the Makefile's default target does not call it"}
	}
	u := &undecided{why: "the Makefile's own make failed before it called it", fault: r.verdict(exit, log)}
	switch fault := (*Error)(nil); {
	case log.machine == nil && (log.compiler != nil || log.tool != nil): // of a program beside the module
		u.final = true
	case !errors.As(u.fault, &fault):
		return made, u.fault
	case log.foreign != "": // a folder of a kernel that is not there
	case log.make != nil && strings.HasPrefix(log.make.text, "No targets"):
		u = &undecided{why: "the makefile has no target for people", final: true}
	case len(given) == 0:
	default:
		return made, fault
	}
	return made, u
}
