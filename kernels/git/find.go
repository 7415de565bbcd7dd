package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// place is where a repository has its parts; all are absolute and without links.
type place struct {
	top    string // the work tree; empty for a bare repository
	dir    string // the work tree's git folder, with HEAD and index
	common string // the git folder of all work trees, with config, refs and objects
}

// ErrNone is the error of a folder that lies in no repository.
var ErrNone = errors.New("no git repository")

// find looks for the repository as git would, from dir upwards. Where a .git leads elsewhere, to a linked work tree's or a
// submodule's git folder, that one must name the work tree as its own: else a stranger's folder could present any repository of the user's.
func find(ctx context.Context, dir string, bare bool) (place, error) {
	for at := dir; ; at = filepath.Dir(at) {
		if p, err := workTree(ctx, at); !errors.Is(err, ErrNone) {
			return p, err
		}
		if bare && at == dir && isGitFolder(at) {
			return place{dir: at, common: at}, nil
		}
		if at == filepath.Dir(at) {
			return place{}, ErrNone
		}
	}
}

// workTree is the repository of the work tree whose top is top; ErrNone where that is no such top.
func workTree(ctx context.Context, top string) (place, error) {
	link := filepath.Join(top, ".git")
	info, err := os.Lstat(link)
	switch {
	case err != nil:
		return place{}, ErrNone
	case info.IsDir() && isGitFolder(link):
		return place{top, link, link}, nil
	case info.IsDir():
		return place{}, ErrNone
	case info.Mode().IsRegular():
		line, err := readLine(link)
		to, ok := strings.CutPrefix(line, "gitdir:")
		if err != nil || !ok {
			return place{}, fmt.Errorf("%s is neither a git folder nor the name of one", link)
		}
		link = beside(top, strings.TrimSpace(to))
	}
	dir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return place{}, fmt.Errorf("%s names a git folder that is not there", filepath.Join(top, ".git"))
	}
	common, ok := confirmed(ctx, top, dir)
	if !ok || !isGitFolder(common) {
		return place{}, fmt.Errorf("%s leads to %s, which does not name it as its work tree", filepath.Join(top, ".git"), dir)
	}
	return place{top, dir, common}, nil
}

// confirmed is the folder common to all work trees of the git folder dir, if that names top as its work tree, or lies in it.
func confirmed(ctx context.Context, top, dir string) (common string, ok bool) {
	if to, err := readLine(filepath.Join(dir, "commondir")); err == nil {
		common, err := filepath.EvalSymlinks(beside(dir, to))
		back, backErr := readLine(filepath.Join(dir, "gitdir"))
		return common, err == nil && backErr == nil && filepath.Join(common, "worktrees", filepath.Base(dir)) == dir &&
			same(filepath.Dir(beside(dir, back)), top)
	}
	if strings.HasPrefix(dir, top+"/") {
		return dir, true
	}
	back := settings(ctx, filepath.Join(dir, "config"))["core.worktree"]
	return dir, back != "" && same(beside(dir, back), top)
}

// isGitFolder looks for what each git folder holds. That of a linked work tree is not meant, and nothing that names another as its common one.
func isGitFolder(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	_, err := os.Lstat(filepath.Join(dir, "commondir"))
	return errors.Is(err, fs.ErrNotExist)
}

// beside is the path to, which is relative to the folder dir unless it is absolute.
func beside(dir, to string) string {
	if filepath.IsAbs(to) {
		return filepath.Clean(to)
	}
	return filepath.Join(dir, to)
}

func same(one, other string) bool {
	a, err := os.Stat(one)
	b, err2 := os.Stat(other)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// readLine is the only line of a small file that is a file.
func readLine(path string) (string, error) {
	text, err := kernels.ReadFileIn(filepath.Dir(path), filepath.Base(path), 8<<10)
	return strings.TrimRight(string(text), "\r\n"), err
}
