package kbuild

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// products are what Kbuild leaves in a source folder besides objects, as patterns for a single name (Linux Makefile, the clean
// target). They belong to whatever kernel was built for last. A shipped binary is foo.o_shipped there (Linux
// Documentation/kbuild/modules.rst), and is source.
var products = []string{
	"*.ko", "*.mod", "*.mod.c", "*.mod.o", "*.cmd", "*.dwo", "*.o.d", "Module.symvers", "modules.order", ".cache.mk",
}

// makers are the endings of what an object of the same name was made from, or made together with.
var makers = []string{".c", ".S", ".s", ".rs", ".cc", ".cpp", ".asm", ".o_shipped", ".c_shipped", ".S_shipped", ".a_shipped", ".ko", ".mod", ".mod.c"}

// maxCommand bounds what is read of the note that Kbuild leaves of how it made an object; those of one with many headers have 200 KiB.
const maxCommand = 4 << 20

// isProduct reports whether the file called name is what an earlier build left: no part of the source, unless somebody put it
// under version control. An object is a product where something in its folder would make it, or where Kbuild's note says how it
// was made; else it is what its vendor ships without source.
func (s Source) isProduct(root *os.Root, name string) bool {
	dir, base := path.Split(name)
	if s.Tracked[name] {
		return false
	}
	if object, ok := strings.CutSuffix(strings.TrimPrefix(base, "."), ".cmd"); ok && isObject(object) {
		_, err := root.Lstat(dir + object)
		return err != nil || s.isProduct(root, dir+object)
	}
	if !isObject(base) || strings.HasSuffix(base, ".mod.o") {
		return matchesAny(products, base)
	}
	stem := strings.TrimSuffix(name, path.Ext(name))
	if slices.ContainsFunc(makers, func(ending string) bool { _, err := root.Lstat(stem + ending); return err == nil }) {
		return true
	}
	note, err := kernels.ReadRegular(root, dir+"."+base+".cmd", maxCommand)
	return err == nil && strings.Contains(string(note), "cmd_")
}

// IsProduct reports whether a file of that name may be what a build left.
func IsProduct(base string) bool { return isObject(base) || matchesAny(products, base) }

func isObject(base string) bool { return strings.HasSuffix(base, ".o") || base == "built-in.a" }

// matchesAny reports whether a single name is one of patterns.
func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// entry is one file or symbolic link of a source. Empty folders are no source, as for git.
type entry struct {
	path   string // slash-separated, relative to the source
	target string // of a symbolic link, else empty
	exec   bool
}

// Stray is what lies in a source and cannot be part of a copy.
type Stray struct {
	path   string
	target string // of a link that leads out of the source; empty for what is neither a file, nor a folder, nor a link
}

// anyNames is a folder as an fs.FS whose names need be no UTF-8: io/fs asks for that, and an old source has others.
type anyNames struct{ *os.Root }

func (r anyNames) Open(name string) (fs.File, error) { return r.Root.Open(name) }

// ReadDir is sorted, as a walk has it.
func (r anyNames) ReadDir(name string) ([]fs.DirEntry, error) {
	dir, err := r.Root.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// walk calls visit with every entry of the source at root in lexical order of their paths, less what is left out, .git anywhere,
// and build products. What cannot be copied is returned. It ends with ctx, and where the source is beyond all bounds.
func (s Source) walk(ctx context.Context, root *os.Root, visit func(entry) error) (strays []Stray, err error) {
	var met bounds
	err = fs.WalkDir(anyNames{root}, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || ctx.Err() != nil:
			return cmp.Or(ctx.Err(), err)
		case name == ".":
			return nil
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".tmp_versions" || s.leftOut(name) || !s.holds(name) && !s.leadsTo(name)):
			return fs.SkipDir
		case d.IsDir():
			return met.add(root, name, 0)
		case d.Name() == ".git" || s.leftOut(name) || !s.holds(name) || s.isProduct(root, name):
			return nil
		}
		e, size := entry{path: name}, int64(0)
		switch d.Type() {
		case 0:
			info, err := d.Info()
			if err != nil {
				return err
			}
			size = info.Size()
			e.exec = info.Mode()&0o111 != 0
		case fs.ModeSymlink:
			target, err := root.Readlink(name)
			if err != nil {
				return err
			}
			if e.target = s.within(name, target); e.target == "" {
				strays = append(strays, Stray{name, target})
				return nil
			}
		default:
			strays = append(strays, Stray{path: name})
			return nil
		}
		if err := met.add(root, name, size); err != nil {
			return err
		}
		return visit(e)
	})
	return strays, err
}

// within is the target of the link at name as it is in a copy: the same, or relative where it is absolute and leads into the
// source. It is empty for a link that leads out of what is copied.
func (s Source) within(name, target string) string {
	if path.IsAbs(target) {
		top, err := filepath.EvalSymlinks(s.Top)
		if err != nil {
			return ""
		}
		at, err := filepath.Rel(top, path.Clean(target))
		if err != nil || !filepath.IsLocal(at) || !s.Has(at) && !s.leadsTo(at) {
			return ""
		}
		target, _ = filepath.Rel(path.Dir(name), at)
		return target
	}
	if at := path.Join(path.Dir(name), target); !inside(name, target) || !s.holds(at) && !s.leadsTo(at) {
		return ""
	}
	return target
}

// Holds reports whether the file or link at name, a path below Top, is part of what is copied.
func (s Source) Holds(name string) bool {
	if !s.Has(name) {
		return false
	}
	target, err := os.Readlink(filepath.Join(s.Top, name))
	return err != nil || s.within(name, target) != ""
}

// inside reports whether a link at name points to target without leaving the source on its way.
func inside(name, target string) bool {
	if target == "" || path.IsAbs(target) {
		return false
	}
	depth := strings.Count(name, "/")
	for _, part := range strings.Split(target, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return false
		}
	}
	return true
}
