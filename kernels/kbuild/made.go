package kbuild

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

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
		made.notes = append(made.notes, "make failed after it had built "+strings.Join(names, ", ")+", and what it would have done then is left aside: "+r.afterwards(exit, log))
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
// Makefile may move, rename or copy them and clean up; without any, all that lie about. gone are those that were removed again, if others were not.
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
			if _, missing := root.Lstat(name); missing != nil {
				now, ok := r.movedTo(name, files)
				if !ok {
					gone = append(gone, name)
					continue
				}
				name = now
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

// movedTo is where the module that make built at name lies now among files: in another folder, or under another name, as it still knows
// its own.
func (r Request) movedTo(name string, files []string) (now string, ok bool) {
	for _, same := range []func(file string) bool{
		func(file string) bool { return path.Base(file) == path.Base(name) },
		func(file string) bool {
			m, err := Inspect(filepath.Join(r.Dir, file))
			return err == nil && m.Name == kernels.ModuleName(name)
		},
	} {
		if i := slices.IndexFunc(files, same); i >= 0 {
			return files[i], true
		}
	}
	return "", false
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
