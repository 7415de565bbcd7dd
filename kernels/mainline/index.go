package mainline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// index is what is looked up in a kernel's tree: who exports a symbol, what configures a folder or an object, and what options there are.
type index struct {
	Exports map[string][]string // a symbol's name: files that export it
	Builds  map[string][]rule   // by folder: what its Makefile says
	Options map[string]option
	Modules map[string]string // a module's name: the folder whose Makefile makes it
}

// rule is that an object or a folder, or a part of one, is built.
type rule struct {
	What string // "x.o", "sub/", or the name of a composite object with ".o"
	When string // the option, without CONFIG_; "" for always
	Of   string // the composite object that it is a part of; "" for none
}

type option struct {
	Chosen bool // a person chooses it: it has a prompt
	Where  string
}

var (
	exported   = regexp.MustCompile(`(?m)^[ \t]*EXPORT_(?:PER_CPU_)?SYMBOL(?:_NS)?(?:_GPL)?[ \t]*\([ \t]*([A-Za-z_]\w*)`)
	optionLine = regexp.MustCompile(`(?m)^[ \t]*(?:menu)?config[ \t]+(\w+)[^\n]*\n((?:[ \t]+[^\n]*\n|\n|#[^\n]*\n)*)`)
	prompted   = regexp.MustCompile(`(?m)^[ \t]+(?:(?:bool|tristate|int|hex|string)[ \t]+["']|prompt[ \t])`)
	helpLine   = regexp.MustCompile(`(?m)^[ \t]+(?:-*help-*)[ \t]*$`)
	whenBuilt  = regexp.MustCompile(`^([\w.-]+)-(y|m|objs|\$[({]CONFIG_(\w+)[)}]|\$[({][^)}]*[)}])$`)
)

// skipped are folders of a tree in which nothing is looked for: programs, texts, and what belongs to other architectures.
var skipped = []string{"Documentation", "include", "tools", "samples", "scripts", "usr", "LICENSES", ".git"}

const ofArch = "arch/x86"

func indexed(ctx context.Context, linux *os.Root) (*index, error) {
	x := &index{Exports: map[string][]string{}, Builds: map[string][]rule{}, Options: map[string]option{}, Modules: map[string]string{}}
	err := fs.WalkDir(linux.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(skipped, name) || path.Dir(name) == "arch" && name != ofArch):
			return fs.SkipDir
		case d.Type().IsRegular():
			return x.add(linux, name)
		}
		return nil
	})
	return x, err
}

// WriteIndex looks through the kernel's source in the folder linux, which takes half a minute, and leaves what it found in file, for Request.Index.
func WriteIndex(ctx context.Context, linux, file string) error {
	root, err := os.OpenRoot(linux)
	if err != nil {
		return err
	}
	defer root.Close()
	x, err := indexed(ctx, root)
	if err != nil {
		return fmt.Errorf("look through the kernel's source: %w", err)
	}
	data, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

func readIndex(file string) (*index, error) {
	data, err := os.ReadFile(file)
	x := new(index)
	if err == nil {
		err = json.Unmarshal(data, x)
	}
	if err != nil {
		return nil, fmt.Errorf("read the index of the kernel's source: %w", err)
	}
	return x, nil
}

func (x *index) add(linux *os.Root, name string) error {
	base := path.Base(name)
	makefile, kconfig := base == "Makefile" || base == "Kbuild", strings.HasPrefix(base, "Kconfig")
	source := path.Ext(base) == ".c" || path.Ext(base) == ".S"
	if !makefile && !kconfig && !source {
		return nil
	}
	text, err := kernels.ReadRegular(linux, name, maxFile)
	if err != nil {
		return nil // a giant table of registers: nothing is exported by it
	}
	switch {
	case makefile:
		x.addMakefile(path.Dir(name), string(text))
	case kconfig:
		x.addKconfig(name, string(text))
	case bytes.Contains(text, []byte("EXPORT_")):
		for _, e := range exported.FindAllSubmatch(macroLine.ReplaceAll(text, nil), -1) { // what a macro exports has another name
			x.Exports[string(e[1])] = append(x.Exports[string(e[1])], name)
		}
	}
	return nil
}

func (x *index) addKconfig(name, text string) {
	for _, c := range optionLine.FindAllStringSubmatch(text, -1) {
		about := helpLine.Split(c[2], 2)[0]
		o := x.Options[c[1]]
		o.Chosen, o.Where = o.Chosen || prompted.MatchString(about), name
		x.Options[c[1]] = o
	}
}

func (x *index) addMakefile(folder, text string) {
	f := readMakefile(text)
	for name, words := range f {
		b := whenBuilt.FindStringSubmatch(name)
		if b == nil {
			continue
		}
		of := ""
		if b[1] != "obj" && b[1] != "lib" && b[1] != "core" && b[1] != "drivers" && b[1] != "net" {
			of = b[1] + ".o"
		}
		for _, w := range f.expand(words, 0) {
			if strings.HasSuffix(w, ".o") || strings.HasSuffix(w, "/") {
				x.Builds[folder] = append(x.Builds[folder], rule{w, b[3], of})
			}
			if object, ok := strings.CutSuffix(w, ".o"); ok && b[1] == "obj" {
				x.Modules[kernels.ModuleName(object)] = folder
			}
		}
	}
	slices.SortFunc(x.Builds[folder], func(a, b rule) int { return strings.Compare(a.What+a.When+a.Of, b.What+b.When+b.Of) })
}

// provider is the option without which the kernel has no object of the file; "" where it always has. ok is false where no Makefile says.
func (x *index) provider(file string) (opt string, ok bool) {
	folder, what := path.Dir(file), strings.TrimSuffix(path.Base(file), path.Ext(file))+".o"
	for range 12 { // folders deep
		when, found := x.when(folder, what, 0)
		switch {
		case when != "":
			return when, true
		case folder == ".":
			return "", ok || found
		}
		ok = ok || found
		folder, what = path.Dir(folder), path.Base(folder)+"/"
	}
	return "", ok
}

// when is the option that what is built in folder depends on; "" and true for none.
func (x *index) when(folder, what string, depth int) (opt string, found bool) {
	for _, r := range x.Builds[folder] {
		if r.What != what && r.What != "./"+what && !strings.HasSuffix(r.What, "/"+what) {
			continue
		}
		if r.When != "" {
			return r.When, true
		}
		if found = true; r.Of != "" && depth < maxNesting && r.Of != what {
			if opt, _ := x.when(folder, r.Of, depth+1); opt != "" {
				return opt, true
			}
		}
	}
	return "", found
}
