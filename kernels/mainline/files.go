package mainline

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// module is one of those that the source makes. Paths are those of the source.
type module struct {
	name    string   // of its file, without .ko
	folder  string   // of the Makefile that declares it
	objects []string // without .o, in that folder
	alone   bool     // of one file of the same name: no line says what it is made of
	files   []string // what it is compiled of, and the headers of the source that these include
	option  string
}

var (
	continued  = regexp.MustCompile(`\\\n[ \t]*`)
	hashes     = regexp.MustCompile(`(?m)(^|[^\\])#.*$`)
	assignment = regexp.MustCompile(`(?m)^[ \t]*(?:(?:export|override)[ \t]+)*([\w.\-]+(?:\$[({]\w+[)}])?)[ \t]*[:+?]?=[ \t]*(.*?)[ \t]*$`)
	variable   = regexp.MustCompile(`\$[({]([\w.\-]+)[)}]`)
)

// makefile is what one Makefile assigns, each variable with all that any of its lines gives it.
type makefile map[string][]string

func readMakefile(text string) makefile {
	all := makefile{}
	text = hashes.ReplaceAllString(continued.ReplaceAllString(text, " "), "$1")
	for _, a := range assignment.FindAllStringSubmatch(text, -1) {
		all[a[1]] = append(all[a[1]], strings.Fields(a[2])...)
	}
	return all
}

// words are the words of what was assigned to names that match, with variables of the same file in their place.
func (f makefile) words(match func(name string) bool) (words []string) {
	var names []string
	for name := range f {
		if match(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		words = append(words, f.expand(f[name], 0)...)
	}
	return words
}

const maxNesting = 8

func (f makefile) expand(words []string, depth int) (all []string) {
	for _, w := range words {
		v := variable.FindStringSubmatchIndex(w)
		if v == nil || depth == maxNesting || f[w[v[2]:v[3]]] == nil {
			all = append(all, w)
			continue
		}
		for _, value := range f.expand(f[w[v[2]:v[3]]], depth+1) {
			all = append(all, f.expand([]string{w[:v[0]] + value + w[v[1]:]}, depth+1)...)
		}
	}
	return all
}

// parts are the objects that a module is made of, without their endings; nil: of the one with its name.
func (f makefile) parts(name string) (objects []string, unclear bool) {
	composite := regexp.MustCompile(`^` + regexp.QuoteMeta(name) + `-(y|m|objs|\$[({]\w+[)}])$`)
	for _, w := range f.words(composite.MatchString) {
		object, ok := strings.CutSuffix(w, ".o")
		if !ok || strings.ContainsAny(w, "$(){},%") {
			unclear = true
			continue
		}
		if !slices.Contains(objects, object) {
			objects = append(objects, object)
		}
	}
	return objects, unclear
}

// read finds the modules of the source and the files that they are made of.
func (m *maker) read(context.Context) error {
	files, err := kbuild.DeclaredFiles(m.src.Name())
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return &kbuild.SourceError{Path: m.Source.Top, Problem: "its Kbuild or Makefile says not in plain text which modules it makes", Cure: "write obj-m += NAME.o"}
	}
	for _, file := range files {
		mod := module{name: strings.TrimSuffix(path.Base(file), ".ko"), folder: path.Dir(file)}
		text, err := m.makefileOf(mod.folder)
		if err != nil {
			return err
		}
		made, unclear := readMakefile(text).parts(mod.name)
		if mod.objects = made; len(made) == 0 {
			mod.objects, mod.alone = []string{mod.name}, true
		}
		if unclear {
			m.todo(path.Join(mod.folder, "Makefile"), "what %s.o is made of is not all in plain text: complete its line", mod.name)
		}
		for _, object := range mod.objects {
			m.addObject(&mod, path.Join(mod.folder, object))
		}
		m.mods = append(m.mods, mod)
	}
	return m.leave()
}

func (m *maker) makefileOf(folder string) (string, error) {
	for _, name := range []string{"Kbuild", "Makefile"} {
		if text, err := kernels.ReadRegular(m.src, path.Join(folder, name), maxFile); err == nil {
			return string(text), nil
		}
	}
	return "", fmt.Errorf("read %s: %w", path.Join(folder, "Makefile"), fs.ErrNotExist)
}

// addObject adds the source of an object, and what that includes of the same source.
func (m *maker) addObject(mod *module, object string) {
	for _, ending := range []string{".c", ".S", ".rs"} {
		if info, err := m.src.Stat(object + ending); err == nil && info.Mode().IsRegular() {
			m.addFile(mod, object+ending)
			return
		}
	}
	m.todo(object+".o", "nothing in the source makes it: mainline takes no binaries, and what generates a file has to go along")
}

var included = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]`)

func (m *maker) addFile(mod *module, name string) {
	if slices.Contains(mod.files, name) {
		return
	}
	mod.files = append(mod.files, name)
	text, err := kernels.ReadRegular(m.src, name, maxFile)
	if err != nil {
		m.todo(name, "cannot be read: %v", err)
		return
	}
	for _, inc := range included.FindAllStringSubmatch(string(text), -1) {
		if found := m.found(mod, name, inc[2]); found != "" {
			m.addFile(mod, found)
		}
	}
}

// found is the file of the source that an include of name means; empty: it is of the kernel's, or nowhere.
func (m *maker) found(mod *module, from, name string) string {
	for _, dir := range append([]string{path.Dir(from)}, m.includeDirs(mod.folder)...) {
		at := path.Join(dir, name)
		if !filepath.IsLocal(at) {
			continue
		}
		if info, err := m.src.Stat(at); err == nil && info.Mode().IsRegular() {
			return at
		}
	}
	return ""
}

var includeFlag = regexp.MustCompile(`-I[ \t]*(\S+)`)

// own begins what a Makefile of a module calls its own folder.
var own = regexp.MustCompile(`^(\$[({](src|obj|M|PWD|CURDIR|srctree|KBUILD_EXTMOD|PWD_SRC)[)}]|\.)(/|$)`)

// includeDirs are the folders of the source that its Makefile has headers looked for in.
func (m *maker) includeDirs(folder string) (dirs []string) {
	text, _ := m.makefileOf(folder) // it was read before
	for _, flag := range includeFlag.FindAllStringSubmatch(text, -1) {
		dir := flag[1]
		for own.MatchString(dir) {
			dir = own.ReplaceAllString(dir, "")
		}
		if !strings.Contains(dir, "$") {
			dirs = append(dirs, path.Join(folder, dir))
		}
	}
	return dirs
}

// leave lists what of the source does not go into the tree.
func (m *maker) leave() error {
	err := fs.WalkDir(m.src.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		taken := slices.ContainsFunc(m.mods, func(mod module) bool { return slices.Contains(mod.files, name) })
		if d.Type().IsRegular() && !taken {
			m.shape.Left = append(m.shape.Left, name)
		}
		return nil
	})
	slices.Sort(m.shape.Left)
	return err
}

// place puts the files into the tree: one that is alone right into the folder, several into a folder of their own.
func (m *maker) place(context.Context) error {
	var all []string
	for _, mod := range m.mods {
		all = append(all, mod.files...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > len(m.mods) || slices.ContainsFunc(all, func(f string) bool { return path.Dir(f) != "." }) {
		m.shape.Into = path.Join(m.Into, strings.ToLower(m.together()))
	}
	for _, name := range all {
		text, err := kernels.ReadRegular(m.src, name, maxFile)
		if err != nil {
			return err
		}
		at := path.Join(m.shape.Into, name)
		if was, err := m.base(at); err == nil {
			m.shape.base[at] = was
		}
		m.shape.Files[at] = m.plain(at, string(text))
		m.shape.ours = append(m.shape.ours, at)
	}
	return nil
}

var notInFolder = regexp.MustCompile(`[^a-z0-9_-]+`)

// together is what all modules are called: as the only one, else as the package.
func (m *maker) together() string {
	title := strings.Trim(notInFolder.ReplaceAllString(strings.TrimSuffix(strings.ToLower(m.Title), "-dkms"), "-"), "-")
	if len(m.mods) == 1 || title == "" {
		return m.mods[0].name
	}
	return title
}

// plain is a text as the kernel's tree has texts: lines end with a line feed alone, the last one too.
func (m *maker) plain(name, text string) string {
	if strings.ContainsRune(text, 0) {
		m.todo(name, "is no text: mainline takes no binaries")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}
