package kernels

import (
	"bufio"
	"errors"
	"fmt"
	"io"
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

// moduleDeps is what depmod knows of a kernel's own modules; names are canonical, see moduleName.
type moduleDeps struct {
	files   map[string]moduleFile
	before  map[string][]string // softdep pre: to load first, if it is there
	builtin map[string]bool
	aliases func(name string) ([]string, error) // modules that answer to another name
}

type moduleFile struct {
	path  string   // below /lib/modules/RELEASE
	needs []string // canonical names; the last must be loaded first
}

// readModuleDeps reads depmod's files in dir, a /lib/modules/RELEASE. Only modules.dep must be there.
func readModuleDeps(dir string) (moduleDeps, error) {
	d := moduleDeps{builtin: map[string]bool{}, aliases: func(name string) ([]string, error) { return readAliases(filepath.Join(dir, "modules.alias"), name) }}
	for _, part := range []struct {
		name  string
		parse func(io.Reader) error
	}{
		{"modules.dep", func(r io.Reader) (err error) { d.files, err = parseModulesDep(r); return }},
		{"modules.softdep", func(r io.Reader) (err error) { d.before, err = parseSoftdep(r); return }},
		{"modules.builtin", func(r io.Reader) error {
			return eachLine(r, func(line string) error { d.builtin[ModuleName(line)] = true; return nil })
		}},
	} {
		f, err := os.Open(filepath.Join(dir, part.name))
		if errors.Is(err, fs.ErrNotExist) && part.name != "modules.dep" {
			continue
		}
		if err != nil {
			return d, err
		}
		err = part.parse(f)
		f.Close()
		if err != nil {
			return d, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return d, nil
}

func eachLine(r io.Reader, do func(line string) error) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := do(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return scan.Err()
}

// parseModulesDep reads "path: path path…" of kmod's depmod. A path that leads out of the folder would be read on the host: it is refused.
func parseModulesDep(r io.Reader) (map[string]moduleFile, error) {
	files := map[string]moduleFile{}
	err := eachLine(r, func(line string) error {
		file, rest, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("no ':' after the module's path")
		}
		if !filepath.IsLocal(filepath.FromSlash(file)) {
			return fmt.Errorf("path %q leads out of the folder", file)
		}
		entry := moduleFile{path: file}
		for _, need := range strings.Fields(rest) {
			entry.needs = append(entry.needs, ModuleName(need))
		}
		files[ModuleName(file)] = entry
		return nil
	})
	return files, err
}

// parseSoftdep reads "softdep NAME pre: A B post: C" and keeps what comes before; words without a mark order nothing.
func parseSoftdep(r io.Reader) (map[string][]string, error) {
	before := map[string][]string{}
	err := eachLine(r, func(line string) error {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "softdep" {
			return nil
		}
		mark := ""
		for _, w := range words[2:] {
			switch {
			case strings.HasSuffix(w, ":"):
				mark = w
			case mark == "pre:":
				name := ModuleName(words[1])
				before[name] = append(before[name], ModuleName(w))
			}
		}
		return nil
	})
	return before, err
}

// readAliases lists the modules that answer to name exactly, or by a pattern. The file is read for each question: it is large, and few ask.
func readAliases(path, name string) ([]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := parseAliases(f, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return names, nil
}

// parseAliases reads "alias PATTERN MODULE". '-' and '_' are equal but within brackets, where the one means a range.
func parseAliases(r io.Reader, name string) (names []string, err error) {
	err = eachLine(r, func(line string) error {
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != "alias" {
			return nil
		}
		module := ModuleName(words[2])
		if fits, _ := path.Match(unhyphened(words[1]), name); fits && !slices.Contains(names, module) { // what is no pattern fits nothing
			names = append(names, module)
		}
		return nil
	})
	return names, err
}

func unhyphened(pattern string) string {
	b, within := []byte(pattern), false
	for i, c := range b {
		switch {
		case c == '[' || c == ']':
			within = c == '['
		case c == '-' && !within:
			b[i] = '_'
		}
	}
	return string(b)
}
