package dkms

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/git"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// isDisk reports whether the disk is at fault rather than what is written to it.
func isDisk(err error) bool {
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// gitName takes PATH@REV or URL@REV apart. A URL without a revision means its HEAD; a folder always has one.
func gitName(name string) (repository, rev string, ok bool) {
	repository, rev = name, "HEAD"
	if i := strings.LastIndexByte(name, '@'); i > 0 && !strings.ContainsAny(name[i:], "/:") {
		repository, rev = name[:i], name[i+1:]
	}
	switch {
	case rev == "" || strings.HasPrefix(rev, "-") || strings.HasPrefix(repository, "-"):
		return "", "", false
	case isURL(repository):
		return repository, rev, true
	}
	return repository, rev, repository != name && deepest(repository) != ""
}

// deepest is the deepest folder on the way to the folder at that is there: a revision may have more than the work tree, and of a bare repository
// no folder is there. Empty where none of those named is.
func deepest(at string) string {
	for dir := filepath.Clean(at); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		} else if err == nil {
			return ""
		}
	}
	return ""
}

// isURL reports whether git would take the name for a repository elsewhere.
func isURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && (scheme == "https" || scheme == "http" || scheme == "git" || scheme == "ssh" || scheme == "file") ||
		strings.HasSuffix(name, ".git") && strings.Contains(name, "@") && strings.Contains(name, ":")
}

// openGit unpacks a revision of a repository: from where it is, or, where it is elsewhere, from a bare clone.
func openGit(ctx context.Context, repository, rev, work string) (*Package, error) {
	given := repository + "@" + rev
	unclonable := func(err error) error {
		return &kbuild.SourceError{Path: given, Problem: "cannot be cloned: " + clean(err.Error()), Cure: "clone it yourself and give PATH@REV"}
	}
	at := repository
	if u, err := url.Parse(repository); err == nil && u.Scheme == "file" {
		at = u.Path
	} else if isURL(repository) {
		at = filepath.Join(work, "repository")
		if err := git.Clone(ctx, repository, at); err != nil {
			return nil, unclonable(err)
		}
	}
	folder := ""
	if dir := deepest(at); dir != "" {
		at, folder = dir, within(dir, filepath.Clean(at))
	}
	r, err := git.Open(ctx, at)
	switch {
	case err != nil && isURL(repository):
		return nil, unclonable(err)
	case errors.Is(err, git.ErrNone):
		return nil, noRevision(given, repository)
	case err != nil:
		return nil, &kbuild.SourceError{Path: given, Problem: clean(err.Error()), Cure: "give the folder of a clone"}
	}
	defer r.Close()
	commit, err := r.Commit(ctx, rev)
	if failed := (*kernels.ToolError)(nil); errors.As(err, &failed) {
		return nil, noRevision(given, repository)
	} else if err != nil {
		return nil, fmt.Errorf("open %s: %w", given, err)
	}
	if err := r.Contained(ctx); err != nil {
		return nil, &kbuild.SourceError{Path: given, Problem: "its repository does not hold all of it: " + clean(err.Error()), Cure: "clone it without --shared and --reference"}
	}
	p := &Package{Kind: Git, Revision: commit, unpacked: filepath.Join(work, "source")}
	p.checkout = &checkout{given: given, at: at, commit: commit, folder: strings.Trim(path.Join("/", r.Prefix, folder), "/"), to: p.unpacked}
	p.Source = filepath.Join(p.unpacked, p.checkout.folder)
	if p.Notes, err = p.checkout.unpack(ctx, p.checkout.folder); err != nil {
		return nil, err
	}
	return p.look(given, work)
}

func noRevision(given, repository string) error {
	return &kbuild.SourceError{Path: given, Problem: "no such revision in a git repository there", Cure: "name a commit, a tag or a branch: git -C " + repository + " tag"}
}
