package kbuild

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// SourceError says what is wrong with a source folder before anything is built, and what to do about it.
// It is the user's to mend; no kernel has any part in it.
type SourceError struct {
	Path    string // what it is about
	Problem string
	Cure    string
}

// Error is one line: what, why, and the cure.
func (e *SourceError) Error() string { return e.Path + ": " + e.Problem + ": " + e.Cure }

// products are what Kbuild leaves in a source folder, as patterns for a single name (Linux Makefile, the clean target).
// They belong to whatever kernel was built for last, so they are never part of the source.
// A shipped binary is foo.o_shipped there (Linux Documentation/kbuild/modules.rst), and is.
var products = []string{
	"*.o", "*.ko", "*.mod", "*.mod.c", "*.cmd", "*.dwo", "*.o.d", "built-in.a",
	"Module.symvers", "modules.order", ".tmp_versions", ".cache.mk",
}

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

// What a source may hold. The largest real ones have some 5000 files and 100 MiB, no more than 20 folders deep.
const (
	maxEntries = 200_000
	maxDepth   = 100
)

var maxSource int64 = 4 << 30 // bytes, holes counted

// bounds counts what a walk has met.
type bounds struct {
	entries int
	bytes   int64
}

// add counts one entry, and refuses what is beyond the bounds.
func (b *bounds) add(root *os.Root, name string, size int64) error {
	b.entries++
	b.bytes += size
	problem := ""
	switch {
	case tooDeep(name):
		problem = fmt.Sprintf("holds folders more than %d deep", maxDepth)
	case b.entries > maxEntries:
		problem = fmt.Sprintf("holds more than %d files and folders", maxEntries)
	case b.bytes > maxSource:
		problem = fmt.Sprintf("holds more than %d MiB", maxSource>>20)
	default:
		return nil
	}
	return &SourceError{root.Name(), problem, "give a folder that holds the module's source alone"}
}

func tooDeep(name string) bool { return strings.Count(name, "/") >= maxDepth }

// walk calls visit with every entry of the source at root in lexical order of their paths, less the names excluded at the
// top, .git anywhere, and build products. A link that leads out of the source is refused, unless stray ones are taken as they are.
// It ends with ctx, and where the source is beyond all bounds.
func walk(ctx context.Context, root *os.Root, exclude []string, stray bool, visit func(entry) error) error {
	var met bounds
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || ctx.Err() != nil:
			return cmp.Or(ctx.Err(), err)
		case name == ".":
			return nil
		case d.Name() == ".git", matchesAny(products, d.Name()), slices.Contains(exclude, name):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return met.add(root, name, 0)
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
			if e.target, err = root.Readlink(name); err != nil {
				return err
			}
			if !stray && !inside(name, e.target) {
				return &SourceError{filepath.Join(root.Name(), name), "a link to " + e.target + ", which is outside the source",
					"replace it by what it points to, or exclude it"}
			}
		default:
			return &SourceError{filepath.Join(root.Name(), name), "neither a file, nor a folder, nor a link", "remove it, or exclude it"}
		}
		if err := met.add(root, name, size); err != nil {
			return err
		}
		return visit(e)
	})
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

// SourceDigest is "sha256:…" over what a build of the source at dir depends on: paths, contents, link targets and whether a file
// may be executed. Names in exclude are left out at the top, and .git and build products anywhere: the same set that Build
// copies. Times and owners do not count. A *SourceError comes back for what Build would refuse to copy.
func SourceDigest(ctx context.Context, dir string, exclude []string) (string, error) {
	return digestSource(ctx, dir, exclude, false)
}

// PackageDigest is SourceDigest for a source that is built by a Recipe. Packages hold links to their documentation, which lies
// elsewhere: there, they are part of the source, and lead nowhere in a build.
func PackageDigest(ctx context.Context, dir string, exclude []string) (string, error) {
	return digestSource(ctx, dir, exclude, true)
}

func digestSource(ctx context.Context, dir string, exclude []string, stray bool) (string, error) {
	root, err := openSource(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	all := sha256.New()
	err = walk(ctx, root, exclude, stray, func(e entry) error {
		kind, sum := "file", sha256.New()
		switch {
		case e.target != "":
			kind = "link"
			io.WriteString(sum, e.target)
		default:
			if e.exec {
				kind = "exec"
			}
			if err := copyOut(ctx, sum, root, e.path); err != nil {
				return err
			}
		}
		fmt.Fprintf(all, "%s %q %x\n", kind, e.path, sum.Sum(nil))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("digest source: %w", err)
	}
	return "sha256:" + hex.EncodeToString(all.Sum(nil)), nil
}

// copySource makes the private copy of the source at from in the folder to. Every file gets the same time: a rule of make
// must not depend on how the source came to this machine.
func copySource(ctx context.Context, from, to string, exclude []string, stray bool) error {
	src, err := openSource(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenRoot(to)
	if err != nil {
		return fmt.Errorf("open build folder: %w", err)
	}
	defer dst.Close()
	if left, err := fs.ReadDir(dst.FS(), "."); err != nil || len(left) > 0 {
		return fmt.Errorf("build folder %s is not empty", to)
	}
	if err := apart(from, to, exclude); err != nil {
		return err
	}
	if err := walk(ctx, src, exclude, stray, func(e entry) error { return copyEntry(ctx, src, dst, e) }); err != nil {
		return fmt.Errorf("copy source: %w", err)
	}
	return nil
}

// copyEntry copies one entry and the folders on the way to it.
func copyEntry(ctx context.Context, src, dst *os.Root, e entry) error {
	if err := dst.MkdirAll(path.Dir(e.path), 0o755); err != nil {
		return err
	}
	if e.target != "" {
		return dst.Symlink(e.target, e.path)
	}
	mode := fs.FileMode(0o644)
	if e.exec {
		mode = 0o755
	}
	out, err := dst.OpenFile(e.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err := errors.Join(copyOut(ctx, out, src, e.path), out.Chmod(mode), out.Close()); err != nil {
		return err
	}
	return dst.Chtimes(e.path, time.Unix(buildTime, 0), time.Unix(buildTime, 0))
}

// copyOut writes the file at name in root to w.
func copyOut(ctx context.Context, w io.Writer, root *os.Root, name string) error {
	in, err := kernels.OpenRegular(root, name)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, kernels.ReadWith(ctx, in))
	return err
}

// apart refuses a build folder that lies in the source it is to hold a copy of.
func apart(from, to string, exclude []string) error {
	real := func(p string) string {
		p, _ = filepath.Abs(p)
		if resolved, err := filepath.EvalSymlinks(p); err == nil {
			return resolved
		}
		return p
	}
	rel, err := filepath.Rel(real(from), real(to))
	top, _, _ := strings.Cut(rel, "/")
	if err != nil || top == ".." || slices.Contains(exclude, top) {
		return nil
	}
	return &SourceError{to, "the build folder lies in the source", "exclude " + top + " or build elsewhere"}
}

// openSource opens a source folder; nothing outside it can be reached through what it returns.
func openSource(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &SourceError{dir, "no such folder", "give the folder that holds the module's Makefile or Kbuild"}
	case err == nil && !info.IsDir():
		return nil, &SourceError{dir, "not a folder", "give the folder that holds the module's Makefile or Kbuild"}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	return root, nil
}
