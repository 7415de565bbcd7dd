package kbuild

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
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
	if !callsKernel(forPeople(root, path.Clean(r.Folder))) {
		return made, &undecided{why: "no makefile has a part for people that calls it"}
	}
	release := r.Tree.Target.Release
	named := customary(root, path.Clean(r.Folder), path.Join("/lib/modules", release, "build"), release)
	usual := slices.Concat(r.llvm(), r.Tree.Root.Make, withoutBTF(v, r.Tree), r.Make)
	s := r.sandbox()
	s.passToMakes(usual, log)
	s.Mounts = append(s.Mounts, r.machineMounts(v)...)
	log.printf("# way:      the Makefile's default target, as its users run it\n")
	made, err = r.attempt(ctx, s, nil, usual, log)
	if none := (*undecided)(nil); errors.As(err, &none) && !none.final && len(named) > 0 {
		log.printf("# note:     make did not come to call the kernel's build system: again, with the kernel named by what the Makefile reads\n")
		return r.attempt(ctx, s, named, usual, log)
	}
	return made, err
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
	case len(given) == 0:
	default:
		return made, fault
	}
	return made, u
}

// madeBy is what came of a make that called the kernel's build system. It counts as far as it built modules: what the Makefile went on
// to do, such as to install them, is nothing that is asked here.
func (r Request) madeBy(calls []call, exit int, usual []string, log *buildLog) (made product, err error) {
	last, passed := map[string]int{}, []string(nil)
	for _, c := range calls {
		folder, ok := c.inside(guestBuild)
		if ok && !slices.Contains(made.folders, folder) {
			made.folders = append(made.folders, folder)
		}
		last[c.folder] = c.exit
		passed = append(passed, c.decides(usual)...)
	}
	r.built = made.folders
	log.scene.r = r
	broken := 0
	if len(calls) == 0 {
		broken = exit
	}
	for folder, code := range last {
		if code != 0 && (exit != 0 || r.counts(folder, log)) {
			broken = cmp.Or(exit, code)
		}
	}
	if err := r.verdict(broken, log); err != nil {
		return made, err
	}
	names, gone, err := r.ordered(made.folders)
	if err != nil {
		return made, err
	}
	if made.modules, err = prove(r, names, "modules.order", "the Makefile's default target leaves none"); err != nil {
		return made, log.scene.explain(log, err)
	}
	for _, name := range names {
		if folder := path.Dir(name); len(calls) == 0 && !slices.Contains(made.folders, folder) {
			made.folders = append(made.folders, folder)
		}
	}
	if exit != 0 {
		made.notes = append(made.notes, "make failed after it had built the modules, which is left aside: "+r.afterwards(exit, log))
	}
	if len(gone) > 0 {
		made.notes = append(made.notes, "built, and removed again by the Makefile: "+strings.Join(gone, ", "))
	}
	if slices.Sort(passed); len(passed) > 0 {
		made.notes = append(made.notes, "the Makefile's own make passes "+results.ShellLine(slices.Compact(passed)...)+" to the kernel's: a plain make -C KDIR M= builds something else")
	}
	return made, nil
}

// counts reports whether a module failed to build in the folder, though make ended well: a loop of a shell loses exit codes. What a
// configure step tries fails silently, or in a folder that it made or that is called after that.
func (r Request) counts(folder string, log *buildLog) bool {
	inside, ok := call{folder: folder}.inside(guestBuild)
	if !ok || trial.MatchString(inside) || log.compiler == nil && log.modpost == nil {
		return false
	}
	_, err := os.Stat(filepath.Join(r.Top, inside))
	return err == nil
}

// trial is the name of a folder in which a configure step builds something to learn what the kernel can.
var trial = regexp.MustCompile(`(?i)conf(?:ig)?[-_]?te?st|probe|feature`)

// afterwards is what went wrong after the modules were built, in a few words.
func (r Request) afterwards(exit int, log *buildLog) string {
	return reasonOf(r.verdict(exit, log))
}

func reasonOf(err error) string {
	if fault := (*Error)(nil); errors.As(err, &fault) {
		return fault.Reason
	}
	return err.Error()
}

// ordered are the modules that make built in the folders, relative to the copy: what their modules.order list, where it is now, as a
// Makefile may move or copy them and clean up; without any, all that lie about. gone are those that were removed again, if others were not.
func (r Request) ordered(folders []string) (names, gone []string, err error) {
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open build folder: %w", err)
	}
	defer root.Close()
	files := moduleFiles(root)
	for _, folder := range folders {
		listed, err := readOrder(r.Dir, folder)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range listed {
			_, missing := root.Lstat(name)
			moved := slices.IndexFunc(files, func(file string) bool { return path.Base(file) == path.Base(name) })
			switch {
			case missing == nil:
			case moved >= 0:
				name = files[moved]
			default:
				gone = append(gone, name)
				continue
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if real := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return trial.MatchString(path.Dir(name)) }); len(real) > 0 {
		names = real
	}
	switch {
	case len(names) > 0:
		return names, gone, nil
	case len(gone) > 0:
		return gone, nil, nil
	}
	return files, nil, nil
}

// hasModules reports whether a .ko lies in the copy, which none did at first.
func (r Request) hasModules() bool {
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return false
	}
	defer root.Close()
	return len(moduleFiles(root)) > 0
}

// moduleFiles are the .ko files in a folder, relative to it, less those that came with the source.
func moduleFiles(root *os.Root) (files []string) {
	_ = fs.WalkDir(root.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err == nil && d.IsDir() && tooDeep(file):
			return fs.SkipDir
		case err == nil && d.Type().IsRegular() && path.Ext(file) == ".ko":
			if info, err := d.Info(); err == nil && !cameAlong(info) {
				files = append(files, file)
			}
		}
		return nil
	})
	return files
}
