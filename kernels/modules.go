package kernels

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/modmatrix/modmatrix/results/wire"
)

// ModuleName is the name that the kernel gives the module in file: without folders and suffixes, as wire.ModuleName spells it.
func ModuleName(file string) string {
	name := path.Base(file)
	for _, suffix := range []string{".gz", ".xz", ".zst", ".ko"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return wire.ModuleName(name)
}

// Closure returns the host paths of the kernel's own modules that the named ones need, themselves included, in the order
// they must be loaded. '-' and '_' are equal; what is built into the kernel yields nothing; a name that is neither is a *NoModuleError.
func (t *Tree) Closure(names ...string) ([]string, error) {
	deps, err := t.moduleDeps()
	if err != nil {
		return nil, fmt.Errorf("read modules of %s: %w", t.Target.Release, err)
	}
	w := closureWalk{deps: deps, seen: map[string]bool{}}
	for _, name := range names {
		name = ModuleName(name)
		if _, ok := deps.files[name]; !ok && !deps.builtin[name] {
			return nil, &NoModuleError{t.Target.Release, name}
		}
		w.visit(name)
	}
	if w.err != nil {
		return nil, fmt.Errorf("read modules of %s: %w", t.Target.Release, w.err)
	}
	for i, p := range w.order {
		w.order[i] = filepath.Join(t.Modules, filepath.FromSlash(p))
	}
	return w.order, nil
}

// Module returns the host path of the kernel's own module called name, if it has one as a file.
func (t *Tree) Module(name string) (path string, ok bool, err error) {
	deps, err := t.moduleDeps()
	if err != nil {
		return "", false, fmt.Errorf("read modules of %s: %w", t.Target.Release, err)
	}
	file, ok := deps.files[ModuleName(name)]
	return filepath.Join(t.Modules, filepath.FromSlash(file.path)), ok, nil
}

// Alias returns the names of the kernel's own modules that modprobe would load for name: the one of that name, else all that
// answer to it as an alias. What is built into the kernel yields nothing; what is none of these is a *NoModuleError.
func (t *Tree) Alias(name string) ([]string, error) {
	deps, err := t.moduleDeps()
	var found []string
	if err == nil {
		plain := wire.ModuleName(name)
		if _, ok := deps.files[plain]; ok {
			return []string{plain}, nil
		}
		if deps.builtin[plain] {
			return nil, nil
		}
		found, err = deps.aliases(plain)
	}
	if err != nil {
		return nil, fmt.Errorf("read modules of %s: %w", t.Target.Release, err)
	}
	if len(found) == 0 {
		return nil, &NoModuleError{t.Target.Release, name}
	}
	return found, nil
}

// keptModules is what depmod knows, as the first who asked read it.
type keptModules struct {
	once sync.Once
	deps moduleDeps
	err  error
}

// KeepModules has what Closure, Module and Alias read kept from now on, for copies of t too. Without it each of them reads it
// anew, which takes ten milliseconds for a kernel with thousands of modules. It must not be called while others use t.
func (t *Tree) KeepModules() { t.kept = new(keptModules) }

func (t *Tree) moduleDeps() (moduleDeps, error) {
	k := t.kept
	if k == nil {
		return readModuleDeps(t.Modules)
	}
	k.once.Do(func() { k.deps, k.err = readModuleDeps(t.Modules) })
	return k.deps, k.err
}

// NoModuleError says that a kernel has no module of a name.
type NoModuleError struct{ Release, Name string }

func (e *NoModuleError) Error() string {
	return fmt.Sprintf("kernel %s has no module %s, neither as a file nor built in", e.Release, e.Name)
}

type closureWalk struct {
	deps  moduleDeps
	seen  map[string]bool
	order []string
	err   error
}

// visit appends name's file after everything it needs. Hard dependencies have no cycles in a kernel that linked; soft ones may,
// and the mark that is set before descending ends them.
func (w *closureWalk) visit(name string) {
	file, ok := w.deps.files[name]
	if !ok || w.seen[name] {
		return
	}
	w.seen[name] = true
	for _, soft := range w.deps.before[name] {
		w.visit(w.known(soft))
	}
	for _, hard := range slices.Backward(file.needs) {
		w.visit(hard)
	}
	w.order = append(w.order, file.path)
}

// known returns the module that a soft dependency means, which may go by an alias: libcrc32c asks for any crc32c, and does
// not load without. Of several the one for every processor is taken: the others may find theirs missing.
func (w *closureWalk) known(soft string) string {
	if _, ok := w.deps.files[soft]; ok || w.deps.builtin[soft] || w.err != nil {
		return soft
	}
	names, err := w.deps.aliases(soft)
	if w.err = err; len(names) == 0 {
		return soft
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_generic") {
			return name
		}
	}
	return names[len(names)-1]
}
