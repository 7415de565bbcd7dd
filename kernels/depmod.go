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
)

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
	d := moduleDeps{aliases: func(name string) ([]string, error) { return readAliases(filepath.Join(dir, "modules.alias"), name) }}
	for _, part := range []struct {
		name  string
		parse func(io.Reader) error
	}{
		{"modules.dep", func(r io.Reader) (err error) { d.files, err = parseModulesDep(r); return }},
		{"modules.softdep", func(r io.Reader) (err error) { d.before, err = parseSoftdep(r); return }},
		{"modules.builtin", func(r io.Reader) (err error) { d.builtin, err = parseBuiltin(r); return }},
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

// eachLine calls do for every line that holds something and is no comment.
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

// parseModulesDep reads "path: path path…". Paths are those of kmod's depmod, relative to the file; one that leads out of
// the folder is refused, because its bytes would be read on the host.
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

// parseSoftdep reads "softdep NAME pre: A B post: C" and keeps what comes before. Modules may state their soft dependencies
// without a mark; those order nothing.
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

func parseBuiltin(r io.Reader) (map[string]bool, error) {
	builtin := map[string]bool{}
	err := eachLine(r, func(line string) error {
		builtin[ModuleName(line)] = true
		return nil
	})
	return builtin, err
}
