package kbuild

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// maxOrder bounds modules.order; the kernel's own, with thousands of modules, has 300 KiB.
const maxOrder = 4 << 20

// prove looks at the modules, whose names are relative to the copy of the source. lister is what names them, and why, why it names none; empty where that is to be found out.
func prove(r Request, names []string, lister, why string) ([]Module, error) {
	if len(names) == 0 {
		known := why != ""
		if !known {
			why, known = r.whyNothing()
		}
		return nil, &Error{Code: results.CodeKoMissing, cause: ErrNothingBuilt, Reason: ErrNothingBuilt.Error() + ": " + why, known: known}
	}
	var modules []Module
	for _, name := range names {
		m, err := r.proveModule(name, lister)
		if err != nil {
			return nil, err
		}
		modules = append(modules, m)
	}
	return LoadOrder(modules), nil
}

// findSymvers returns the Module.symvers that a build left in the first of folders that has one; empty where none has.
func findSymvers(dir string, folders []string) string {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	for _, folder := range folders {
		name := path.Join(folder, "Module.symvers")
		if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			return filepath.Join(dir, name)
		}
	}
	return ""
}

// readOrder returns the .ko files that folder's modules.order lists, relative to dir. It lists .o since 6.3 (Linux f65a486821cf), and paths
// that begin with the build folder's up to 6.12.
func readOrder(dir, folder string) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open build folder: %w", err)
	}
	defer root.Close()
	order := path.Join(folder, "modules.order")
	info, err := root.Lstat(order)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	f, err := root.Open(order)
	if err != nil {
		return nil, fmt.Errorf("open modules.order: %w", err)
	}
	defer f.Close()
	var names []string
	seen := map[string]bool{}
	scan := bufio.NewScanner(io.LimitReader(f, maxOrder))
	for scan.Scan() {
		line := strings.TrimSpace(scan.Text())
		name, whole := strings.CutPrefix(line, guestBuild+"/")
		if !whole {
			name = path.Join(folder, line)
		}
		name = strings.TrimSuffix(strings.TrimSuffix(name, ".o"), ".ko") + ".ko"
		if line != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read modules.order: %w", err)
	}
	return names, nil
}

// proveModule looks at one .ko. It must lie in dir itself: a link could lead the host to where the sandbox could not go. A package
// that says itself where its modules are may make a link that stays in dir.
func (r Request) proveModule(name, lister string) (Module, error) {
	dir, target, declared := r.Dir, r.Tree.Target, r.Recipe != nil
	missing := func(what string) error {
		return &Error{Code: results.CodeKoMissing, Reason: clean(name) + " " + what}
	}
	if !filepath.IsLocal(name) {
		return Module{}, missing("is not in the build folder")
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return Module{}, fmt.Errorf("resolve build folder: %w", err)
	}
	file := filepath.Join(dir, name)
	at, err := filepath.EvalSymlinks(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		other, known := r.instead(name)
		return Module{}, &Error{Code: results.CodeKoMissing, Reason: clean(name) + " was not built, though " + lister + " lists it" + other, known: known}
	case err != nil:
		return Module{}, missing("cannot be read: " + err.Error())
	case at != filepath.Join(real, name) && (!declared || !strings.HasPrefix(at, real+"/")):
		return Module{}, missing("is a link")
	}
	info, err := os.Lstat(at)
	switch {
	case err != nil:
		return Module{}, fmt.Errorf("stat module: %w", err)
	case !info.Mode().IsRegular():
		return Module{}, missing("is not a file")
	case info.Size() == 0:
		return Module{}, missing("is empty")
	case !declared && cameAlong(info):
		return Module{}, missing("was not built: it came with the source")
	}
	if at == filepath.Join(real, name) {
		at = file
	}
	m, err := Inspect(at)
	switch {
	case errors.As(err, new(*fs.PathError)):
		return Module{}, fmt.Errorf("read module: %w", err)
	case err != nil:
		return Module{}, missing("is not a kernel module: " + clean(errors.Unwrap(err).Error()))
	case target.Arch != "" && m.Arch != target.Arch:
		return Module{}, &Error{Code: results.CodeVermagicMismatch,
			Reason: fmt.Sprintf("%s was built for %s, not for %s: its Makefile ignores ARCH and CROSS_COMPILE, or calls a compiler by name", name, m.Arch, target.Arch)}
	case m.Release() != target.Release:
		return Module{}, &Error{Code: results.CodeVermagicMismatch,
			Reason: fmt.Sprintf("%s was built for %s, not for %s: its Makefile ignores the kernel it is given, e.g. by `uname -r`",
				name, clean(m.Release()), target.Release)}
	}
	return m, nil
}
