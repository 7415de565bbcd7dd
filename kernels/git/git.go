// Package git reads repositories that strangers made: it is the only place of the project that starts git.
//
// A repository may name programs and servers in its configuration: filters, monitors, hooks, remotes. So git is never run in
// a stranger's repository: each is read through a private git folder, with a configuration written here, that borrows its objects, its
// references and its index. Nothing in a repository is written to, and objects that it lacks are not fetched.
//
// This package must never know what a repository holds, nor what its commits are read for.
package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Repo is a repository that is read. It may be used by several goroutines until it is closed.
type Repo struct {
	Prefix string // of the folder that was opened, below the top of the work tree, with a slash at the end; empty for the top

	place
	own     string   // the private git folder
	options []string // settings of the user's and of the repository's that run nothing
}

// Open opens the repository that is at dir, bare or not, or whose work tree dir lies in.
func Open(ctx context.Context, dir string) (*Repo, error) {
	r, err := open(ctx, dir, true)
	if err != nil {
		return nil, fmt.Errorf("open git repository: %w", err)
	}
	return r, nil
}

func open(ctx context.Context, dir string, bare bool) (r *Repo, err error) {
	dir, err = filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, err
	}
	p, err := find(ctx, dir, bare)
	if err != nil {
		return nil, err
	}
	r = &Repo{place: p}
	if p.top != "" && dir != p.top {
		r.Prefix = strings.TrimPrefix(strings.TrimPrefix(dir, p.top), "/") + "/"
	}
	if r.own, err = os.MkdirTemp("", "modmatrix-git-"); err != nil {
		return nil, err
	}
	if err := r.borrow(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Common is the git folder that all its work trees share, absolute and without links.
func (r *Repo) Common() string { return r.common }

// Close removes what Open made.
func (r *Repo) Close() { _ = os.RemoveAll(r.own) }

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// Commit is the full hash of the commit that name means: a branch, a tag, a hash, or one relative to these. An error says as well that
// there is none.
func (r *Repo) Commit(ctx context.Context, name string) (string, error) {
	commit, err := r.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	commit = strings.TrimSuffix(commit, "\n")
	if err == nil && !commitHash.MatchString(commit) {
		err = fmt.Errorf("git names %q as the commit of %s", commit, name)
	}
	return commit, err
}

// Tags are the names of all tags.
func (r *Repo) Tags(ctx context.Context) ([]string, error) {
	out, err := r.run(ctx, "for-each-ref", "--format=%(refname:strip=2)", "refs/tags")
	return strings.Fields(out), err
}

// File is the content of a file in a commit, as it is stored.
func (r *Repo) File(ctx context.Context, commit, path string) (string, error) {
	return r.run(ctx, "cat-file", "blob", commit+":"+path)
}

// ArchiveLimit is how long an archive may take; the caller gives its context the limit.
const ArchiveLimit = 30 * time.Minute

// Archive is the command that writes a tree as a tar to its output, each name after prefix; tree is COMMIT or COMMIT:FOLDER, with a
// full hash. It holds what a checkout would: files that the tree's attributes keep out of archives, too. Line ends are as they have it,
// but no program applies that they name: what goes through a filter elsewhere (Git LFS) is written as it is stored.
func (r *Repo) Archive(ctx context.Context, tree, prefix string) (*exec.Cmd, error) {
	if commit, _, _ := strings.Cut(tree, ":"); !commitHash.MatchString(commit) {
		return nil, fmt.Errorf("%q is no tree of a commit", tree) // and may be an option
	}
	return r.command(ctx, "archive", "--format=tar", "--prefix="+prefix, tree), nil
}

// Changed reports whether the folder that was opened differs from the commit that is checked out; untracked files and changes
// in submodules count where all is set. It is false for a bare repository.
func (r *Repo) Changed(ctx context.Context, all bool) (bool, error) { return r.changed(ctx, all, 0) }

func (r *Repo) changed(ctx context.Context, all bool, depth int) (bool, error) {
	if r.top == "" {
		return false, nil
	}
	untracked, submodules := "--untracked-files=no", "--ignore-submodules=all"
	if all {
		// Whether a submodule stands on another commit, git sees from here; for more it would start git inside, under the
		// submodule's own configuration.
		untracked, submodules = "--untracked-files=normal", "--ignore-submodules=dirty"
	}
	below := cmp.Or(r.Prefix, ".")
	out, err := r.run(ctx, "status", "--porcelain", "--no-renames", untracked, submodules, "--", below)
	if err != nil || out != "" || !all {
		return out != "", err
	}
	if out, err = r.run(ctx, "ls-files", "--stage", "-z", "--", below); err != nil {
		return false, err
	}
	for entry := range strings.SplitSeq(out, "\x00") {
		about, path, _ := strings.Cut(entry, "\t")
		if !strings.HasPrefix(about, "160000 ") {
			continue
		}
		sub := filepath.Join(r.top, path)
		if real, err := filepath.EvalSymlinks(filepath.Join(sub, ".git")); err != nil || filepath.Dir(real) != sub {
			continue // not checked out, or a link to elsewhere
		}
		if _, dirty, err := state(ctx, sub, depth+1); err != nil || dirty {
			return dirty, err
		}
	}
	return false, nil
}

// State is the commit that dir's work tree stands on, and whether the files below dir differ from it: changed, added and not ignored,
// or gone; a submodule's count as well. An error says that dir lies in no work tree, that there is no commit yet, or why git cannot tell.
//
// Files are compared as git stores them, without the programs of a filter: a file that a filter changes (Git LFS, git-crypt) counts as
// dirty once its times differ from those in the index. Line ends are converted as the tree's attributes and core.autocrlf have it. The
// index is the repository's own: an entry that is marked as unchanged in there is not looked at.
func State(ctx context.Context, dir string) (commit string, dirty bool, err error) {
	return state(ctx, dir, 0)
}

// maxDepth is how many submodules may lie in each other.
const maxDepth = 8

func state(ctx context.Context, dir string, depth int) (commit string, dirty bool, err error) {
	if depth > maxDepth {
		return "", false, fmt.Errorf("more than %d submodules lie in each other", maxDepth)
	}
	r, err := open(ctx, dir, false)
	if err != nil {
		return "", false, fmt.Errorf("open git work tree: %w", err)
	}
	defer r.Close()
	if commit, err = r.Commit(ctx, "HEAD"); err != nil {
		return "", false, err
	}
	dirty, err = r.changed(ctx, true, depth)
	return commit, dirty, err
}

// Contained is an error where the repository keeps objects elsewhere, so that a commit could hold files of another repository of the user's.
func (r *Repo) Contained(ctx context.Context) error {
	objects := filepath.Join(r.common, "objects")
	err := filepath.WalkDir(objects, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !d.Type().IsRegular() {
			err = fmt.Errorf("%s is neither a file nor a folder", strings.TrimPrefix(path, r.common+"/"))
		}
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		return err
	}
	if alternates, _ := os.ReadFile(filepath.Join(objects, "info/alternates")); len(strings.TrimSpace(string(alternates))) > 0 {
		return errors.New("objects/info/alternates names another repository")
	}
	return nil
}
