package kbuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// Copy makes the private copy of the source in the empty folder to, and returns what it had to leave out. Every file gets the same
// time: a rule of make must not depend on how the source came to this machine.
func (s Source) Copy(ctx context.Context, to string) ([]Stray, error) {
	src, err := openSource(s.Top)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	dst, err := os.OpenRoot(to)
	if err != nil {
		return nil, fmt.Errorf("open build folder: %w", err)
	}
	defer dst.Close()
	if left, err := fs.ReadDir(dst.FS(), "."); err != nil || len(left) > 0 {
		return nil, fmt.Errorf("build folder %s is not empty", to)
	}
	if err := s.apart(to); err != nil {
		return nil, err
	}
	strays, err := s.walk(ctx, src, func(e entry) error { return copyEntry(ctx, src, dst, e) })
	if err == nil && s.Folder != "" {
		err = dst.MkdirAll(s.Folder, 0o755)
	}
	for at, git := range s.Git {
		err = errors.Join(err, copyGit(ctx, git.Dir, dst, path.Join(at, ".git")))
	}
	for at, host := range s.Files {
		err = errors.Join(err, copyFile(ctx, host, dst, at))
	}
	if err != nil {
		return nil, fmt.Errorf("copy source: %w", err)
	}
	return strays, nil
}

// copyEntry copies one entry and the folders on the way to it.
func copyEntry(ctx context.Context, src, dst *os.Root, e entry) error {
	if err := dst.MkdirAll(path.Dir(e.path), 0o755); err != nil {
		return err
	}
	if e.target != "" {
		return dst.Symlink(e.target, e.path)
	}
	in, err := kernels.OpenRegular(src, e.path)
	if err != nil {
		return err
	}
	defer in.Close()
	return copyIn(ctx, in, dst, e.path, e.exec, Time)
}

// copyIn makes the file at name in dst of what in holds.
func copyIn(ctx context.Context, in io.Reader, dst *os.Root, name string, exec bool, at int64) error {
	mode := fs.FileMode(0o644)
	if exec {
		mode = 0o755
	}
	out, err := dst.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, kernels.ReadWith(ctx, in))
	if err := errors.Join(err, out.Chmod(mode), out.Close()); err != nil {
		return err
	}
	return dst.Chtimes(name, time.Unix(at, 0), time.Unix(at, 0))
}

// copyGit copies a git folder. Its files are younger than those of the source: git compares the content of files that are not
// older than its index, and filters that convert them are not there.
func copyGit(ctx context.Context, from string, dst *os.Root, to string) error {
	src, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer src.Close()
	return fs.WalkDir(src.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, dst.MkdirAll(path.Join(to, name), 0o755))
		}
		in, err := kernels.OpenRegular(src, name)
		if err != nil {
			return err
		}
		defer in.Close()
		return copyIn(ctx, in, dst, path.Join(to, name), false, Time+1)
	})
}

// copyFile puts a file of the host into the copy, in place of one that is there.
func copyFile(ctx context.Context, host string, dst *os.Root, to string) error {
	in, err := os.Open(host)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := dst.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(dst.MkdirAll(path.Dir(to), 0o755), copyIn(ctx, in, dst, to, false, Time))
}

// cameAlong reports whether a file of the copy is as it was copied.
func cameAlong(info fs.FileInfo) bool { return info.ModTime().Unix() == Time }

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
func (s Source) apart(to string) error {
	real := func(p string) string {
		p, _ = filepath.Abs(p)
		if resolved, err := filepath.EvalSymlinks(p); err == nil {
			return resolved
		}
		return p
	}
	rel, err := filepath.Rel(real(s.Top), real(to))
	if err != nil || !filepath.IsLocal(rel) || !s.Has(rel) {
		return nil
	}
	top, _, _ := strings.Cut(rel, "/")
	return &SourceError{Path: to, Problem: "the build folder lies in the source", Cure: "exclude " + top + " or build elsewhere"}
}

// what says what a stray is.
func (s Stray) what() string {
	if s.target == "" {
		return "neither a file, nor a folder, nor a link"
	}
	return "a link to " + clean(s.target) + ", which is outside the source"
}

// StraysNote says what was left out of the copy; empty for nothing.
func StraysNote(strays []Stray) []string {
	if len(strays) == 0 {
		return nil
	}
	note := "left out of the copy: " + clean(strays[0].path) + ", " + strays[0].what()
	if more := len(strays) - 1; more > 0 {
		note += fmt.Sprintf(", and %d more", more)
	}
	return []string{note}
}

// missed adds to a fault of the module that names a stray what that is. A link whose target is there would have been read on
// its author's machine: then what is wrong is the copy, and no fault of the module.
func missed(err error, strays []Stray, top string) error {
	fault := (*Error)(nil)
	if !errors.As(err, &fault) {
		return err
	}
	text := strings.Join(append([]string{fault.Reason}, fault.Excerpt...), "\n")
	for _, s := range strays {
		base := path.Base(s.path)
		object := strings.TrimSuffix(base, path.Ext(base)) + ".o"
		if !regexp.MustCompile(`(^|[^\w.-])(` + regexp.QuoteMeta(base) + `|` + regexp.QuoteMeta(object) + `)($|['":, ])`).MatchString(text) {
			continue
		}
		target := s.target
		if !path.IsAbs(target) {
			target = filepath.Join(top, path.Dir(s.path), target)
		}
		if _, gone := os.Stat(target); gone != nil || s.target == "" {
			fault.Reason = cut(clean(s.path) + " is " + s.what() + ": " + fault.Reason)
			return err
		}
		return fmt.Errorf("the build reads %s, %s and was not copied: replace it by what it points to", clean(s.path), s.what())
	}
	return err
}
