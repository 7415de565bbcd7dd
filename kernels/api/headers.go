package api

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

const (
	maxHeaders = 40_000  // files of one tree; a kernel has some 6000
	maxHeader  = 4 << 20 // bytes of one
	maxSymvers = 64 << 20
	maxDecls   = 16  // of one name in one tree
	maxHolders = 500 // structs that have a member of one name
)

// Headers are the headers of one tree. They are read anew for each Find.
type Headers struct {
	Release string
	dirs    []dir
	symvers string // host path; empty where there is none
}

type dir struct{ host, name string }

// Open finds a tree's headers where a build for it sees them: Debian keeps those that all flavours share in a folder of their
// own. A tree without any is an error.
func Open(tree *kernels.Tree) (*Headers, error) {
	h := &Headers{Release: tree.Target.Release}
	for _, at := range []string{tree.KDIR, path.Join(tree.KDIR, "source"), path.Join("/lib/modules", tree.Target.Release, "source")} {
		for _, name := range []string{"include", "arch/x86/include"} {
			host, ok := kbuild.Find(tree, path.Join(at, name))
			if ok && !slices.ContainsFunc(h.dirs, func(d dir) bool { return d.host == host }) {
				h.dirs = append(h.dirs, dir{host, name})
			}
		}
	}
	if len(h.dirs) == 0 {
		return nil, fmt.Errorf("open headers of %s: there are none", tree.Target.Release)
	}
	h.symvers, _ = kbuild.Find(tree, path.Join(tree.KDIR, "Module.symvers"))
	return h, nil
}

// lookup is what a tree says of one name, the likeliest first.
type lookup struct {
	decls  []results.Decl
	holder *results.Decl // the struct of a member
}

func (l lookup) best() *results.Decl {
	if len(l.decls) == 0 {
		return nil
	}
	return &l.decls[0]
}

// Find looks ids up, and returns for each, in their order, what declares it.
func (h *Headers) Find(ids []results.Ident) []lookup {
	found := make([]lookup, len(ids))
	add := func(i int, d results.Decl, holder bool) {
		switch {
		case holder && found[i].holder == nil:
			found[i].holder = &d
		case !holder && len(found[i].decls) < maxDecls:
			found[i].decls = append(found[i].decls, d)
		}
	}
	h.each(func(file string, text []byte) {
		wantsHeader(file, ids, add)
		declarations(file, text, ids, add)
	})
	h.exports(ids, add)
	for i := range found {
		slices.SortStableFunc(found[i].decls, likelier)
	}
	return found
}

// each calls visit for every header, by its name in the tree. What cannot be read declares nothing that can be seen.
func (h *Headers) each(visit func(file string, text []byte)) {
	looked := 0
	for _, d := range h.dirs {
		tree := os.DirFS(d.host)
		_ = fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
			switch {
			case err == nil && e.IsDir() && (name == "config" || name == "dt-bindings"):
				return fs.SkipDir
			case err != nil || !e.Type().IsRegular() || path.Ext(name) != ".h":
				return nil
			}
			if looked++; looked > maxHeaders {
				return fs.SkipAll
			}
			text, err := read(tree, name)
			if err != nil {
				text = nil
			}
			visit(path.Join(d.name, name), text)
			return nil
		})
	}
}

// holders finds the structs and unions that have a member of one of names.
func (h *Headers) holders(names []string) map[string][]string {
	found := map[string][]string{}
	h.each(func(file string, text []byte) {
		here := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !bytes.Contains(text, []byte(name)) })
		if len(here) == 0 {
			return
		}
		scan(text, func(s statement) {
			tag := tagged.FindStringSubmatch(s.text)
			if s.def || tag == nil || tag[1] == "enum" || tag[2] == "" {
				return
			}
			for _, name := range here {
				of := tag[1] + " " + tag[2]
				if _, _, ok := (matcher{id: results.Ident{Name: name}}).member(s); ok && len(found[name]) < maxHolders && !slices.Contains(found[name], of) {
					found[name] = append(found[name], of)
				}
			}
		})
	})
	return found
}

func (h *Headers) read(file string) ([]byte, bool) {
	for _, d := range h.dirs {
		if name, ok := strings.CutPrefix(file, d.name+"/"); ok {
			if text, err := read(os.DirFS(d.host), name); err == nil {
				return text, true
			}
		}
	}
	return nil, false
}

func read(tree fs.FS, name string) ([]byte, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxHeader))
}

func wantsHeader(file string, ids []results.Ident, add func(int, results.Decl, bool)) {
	for i, id := range ids {
		if id.Kind == Header && (strings.HasSuffix(file, "include/"+id.Name) || path.Base(file) == path.Base(id.Name)) {
			add(i, results.Decl{Form: "header", Text: path.Base(id.Name), File: file}, false)
		}
	}
}

// exports finds symbols in Module.symvers: CRC, symbol, module, kind, namespace (Linux Documentation/kbuild/modules.rst).
func (h *Headers) exports(ids []results.Ident, add func(int, results.Decl, bool)) {
	if h.symvers == "" || !slices.ContainsFunc(ids, func(id results.Ident) bool { return id.Kind == Symbol }) {
		return
	}
	f, err := os.Open(h.symvers)
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxSymvers))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) < 4 {
			continue
		}
		i := slices.IndexFunc(ids, func(id results.Ident) bool { return id.Kind == Symbol && id.Name == fields[1] })
		if i < 0 {
			continue
		}
		text := fields[3] + "(" + fields[1] + ") in " + fields[2]
		if len(fields) > 4 && fields[4] != "" {
			text += ", namespace " + fields[4]
		}
		add(i, results.Decl{Form: "export", Text: text, File: "Module.symvers", Line: n}, false)
	}
}
