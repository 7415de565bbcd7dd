package kernels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		return nil, err
	}
	seen, paths := map[string]bool{}, []string(nil)
	for _, name := range names {
		name = ModuleName(name)
		if _, ok := deps.files[name]; !ok && !deps.builtin[name] {
			return nil, &NoModuleError{t.Target.Release, name}
		}
		if err := deps.visit(name, seen, &paths); err != nil {
			return nil, fmt.Errorf("read modules of %s: %w", t.Target.Release, err)
		}
	}
	for i, p := range paths {
		paths[i] = filepath.Join(t.Modules, filepath.FromSlash(p))
	}
	return paths, nil
}

// Module returns the host path of the kernel's own module called name, if it has one as a file.
func (t *Tree) Module(name string) (path string, ok bool, err error) {
	deps, err := t.moduleDeps()
	if err != nil {
		return "", false, err
	}
	file, ok := deps.files[ModuleName(name)]
	return filepath.Join(t.Modules, filepath.FromSlash(file.path)), ok, nil
}

// AnyModule returns the host path of one of the kernel's own modules, always the same, if it has any as a file.
func (t *Tree) AnyModule() (path string, ok bool, err error) {
	deps, err := t.moduleDeps()
	for _, file := range deps.files {
		if !ok || file.path < path {
			path, ok = file.path, true
		}
	}
	return filepath.Join(t.Modules, filepath.FromSlash(path)), ok, err
}

// BuiltIn reports whether a module called name is part of the kernel's image.
func (t *Tree) BuiltIn(name string) (bool, error) {
	deps, err := t.moduleDeps()
	return deps.builtin[ModuleName(name)], err
}

// Alias returns the names of the kernel's own modules that modprobe would load for name: the one of that name, else all that
// answer to it as an alias. What is built into the kernel yields nothing; what is none of these is a *NoModuleError.
func (t *Tree) Alias(name string) ([]string, error) {
	deps, err := t.moduleDeps()
	if err != nil {
		return nil, err
	}
	plain := wire.ModuleName(name)
	if _, ok := deps.files[plain]; ok {
		return []string{plain}, nil
	}
	if deps.builtin[plain] {
		return nil, nil
	}
	found, err := deps.aliases(plain)
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

// KeepModules keeps what Closure, Module and Alias read, for copies of t too; reading takes ten milliseconds. Nobody else may use t meanwhile.
func (t *Tree) KeepModules() { t.kept = new(keptModules) }

func (t *Tree) moduleDeps() (moduleDeps, error) {
	k := t.kept
	if k == nil {
		k = new(keptModules)
	}
	k.once.Do(func() {
		if k.deps, k.err = readModuleDeps(t.Modules); k.err != nil {
			k.err = fmt.Errorf("read modules of %s: %w", t.Target.Release, k.err)
		}
	})
	return k.deps, k.err
}

// NoModuleError says that a kernel has no module of a name.
type NoModuleError struct{ Release, Name string }

func (e *NoModuleError) Error() string {
	return fmt.Sprintf("kernel %s has no module %s, neither as a file nor built in", e.Release, e.Name)
}

// visit appends name's file after everything it needs. The mark set before descending ends cycles, which soft dependencies may have.
func (d moduleDeps) visit(name string, seen map[string]bool, order *[]string) error {
	file, ok := d.files[name]
	if !ok || seen[name] {
		return nil
	}
	seen[name] = true
	for _, soft := range d.before[name] {
		known, err := d.known(soft)
		if err == nil {
			err = d.visit(known, seen, order)
		}
		if err != nil {
			return err
		}
	}
	for _, hard := range slices.Backward(file.needs) {
		if err := d.visit(hard, seen, order); err != nil {
			return err
		}
	}
	*order = append(*order, file.path)
	return nil
}

// known returns the module that a soft dependency means, by an alias perhaps (any crc32c): of several the one for every processor.
func (d moduleDeps) known(soft string) (string, error) {
	if _, ok := d.files[soft]; ok || d.builtin[soft] {
		return soft, nil
	}
	names, err := d.aliases(soft)
	if err != nil || len(names) == 0 {
		return soft, err
	}
	if i := slices.IndexFunc(names, func(name string) bool { return strings.HasSuffix(name, "_generic") }); i >= 0 {
		return names[i], nil
	}
	return names[len(names)-1], nil
}

// moduleDeps is what depmod knows of a kernel's own modules; names are canonical, see ModuleName.
type moduleDeps struct {
	dir     string // /lib/modules/RELEASE
	files   map[string]moduleFile
	before  map[string][]string // softdep pre: to load first, if it is there
	builtin map[string]bool
}

type moduleFile struct {
	path  string   // below /lib/modules/RELEASE
	needs []string // canonical names; the last must be loaded first
}

// readModuleDeps reads depmod's files in dir. Only modules.dep must be there.
func readModuleDeps(dir string) (d moduleDeps, err error) {
	d = moduleDeps{dir: dir, builtin: map[string]bool{}}
	text, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return d, err
	}
	if d.files, err = parseModulesDep(string(text)); err != nil {
		return d, fmt.Errorf("modules.dep: %w", err)
	}
	soft, err := readWords(filepath.Join(dir, "modules.softdep"))
	builtin, builtinErr := readWords(filepath.Join(dir, "modules.builtin"))
	d.before = softBefore(soft)
	for _, words := range builtin {
		d.builtin[ModuleName(words[0])] = true
	}
	return d, errors.Join(err, builtinErr)
}

// readWords are the lines of one of depmod's files, in words and without comments; none where there is no such file.
func readWords(path string) ([][]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return inWords(string(text)), err
}

func inWords(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' {
			all = append(all, words)
		}
	}
	return all
}

// parseModulesDep reads "path: path path…" of kmod's depmod. A path that leads out of the folder would be read on the host: it is refused.
func parseModulesDep(text string) (map[string]moduleFile, error) {
	files := map[string]moduleFile{}
	for i, words := range inWords(text) {
		file, ok := strings.CutSuffix(words[0], ":")
		if !ok {
			return nil, fmt.Errorf("line %d: no ':' after the module's path", i+1)
		}
		if !filepath.IsLocal(filepath.FromSlash(file)) {
			return nil, fmt.Errorf("line %d: path %q leads out of the folder", i+1, file)
		}
		entry := moduleFile{path: file}
		for _, need := range words[1:] {
			entry.needs = append(entry.needs, ModuleName(need))
		}
		files[ModuleName(file)] = entry
	}
	return files, nil
}

// softBefore keeps of "softdep NAME pre: A B post: C" what comes before; words without a mark order nothing.
func softBefore(lines [][]string) map[string][]string {
	before := map[string][]string{}
	for _, words := range lines {
		if len(words) < 2 || words[0] != "softdep" {
			continue
		}
		name, mark := ModuleName(words[1]), ""
		for _, w := range words[2:] {
			if strings.HasSuffix(w, ":") {
				mark = w
			} else if mark == "pre:" {
				before[name] = append(before[name], ModuleName(w))
			}
		}
	}
	return before
}

// aliases lists the modules that answer to name exactly, or by a pattern: "alias PATTERN MODULE", where '-' and '_' are equal but within
// brackets. The file is read for each question: it is large, and few ask.
func (d moduleDeps) aliases(name string) (names []string, err error) {
	lines, err := readWords(filepath.Join(d.dir, "modules.alias"))
	for _, words := range lines {
		if len(words) != 3 || words[0] != "alias" {
			continue
		}
		module := ModuleName(words[2])
		if wire.MatchAlias(words[1], name) && !slices.Contains(names, module) {
			names = append(names, module)
		}
	}
	return names, err
}
