package dkms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/modmatrix/modmatrix/kernels/git"
)

// maxSubmodules is how many submodules may lie in each other.
const maxSubmodules = 8

// checkout unpacks a revision of a repository as a checkout with its submodules would hold it.
type checkout struct {
	given  string // as the user names it
	at     string // the repository
	commit string
	folder string // the module's in it; empty for its top
	to     string // where the repository's top is unpacked
}

// unpack unpacks the folder alone, or all where that is empty. notes say which submodules are missing.
func (c *checkout) unpack(ctx context.Context, folder string) (notes []string, err error) {
	if err := os.MkdirAll(filepath.Join(c.to, folder), 0o755); err != nil {
		return nil, fmt.Errorf("make folder for source: %w", err)
	}
	err = c.each(ctx, func(r *git.Repo, at, commit string) error {
		tree, to := commit+":", at
		switch {
		case at == ".":
			tree, to = commit+":"+folder, folder
		case folder != "" && !below(folder, at):
			return nil
		}
		within, cancel := context.WithTimeout(ctx, git.ArchiveLimit)
		defer cancel()
		archive, err := r.Archive(within, tree, "")
		if err != nil {
			return err
		}
		left, err := unpackFrom(ctx, archive, c.given, filepath.Join(c.to, to), "")
		notes = append(notes, left...)
		return err
	}, func(l git.Link, why error) {
		if folder == "" || below(folder, l.Path) {
			notes = append(notes, clean(why.Error())+", so it is empty: git submodule update --init --recursive")
		}
	})
	return notes, err
}

// each calls visit for the repository and, by the folders below it that they belong in, for all submodules that are here, and
// missing for those that are not.
func (c *checkout) each(ctx context.Context, visit func(r *git.Repo, at, commit string) error, missing func(git.Link, error)) error {
	r, err := git.Open(ctx, c.at)
	if err != nil {
		return fmt.Errorf("open %s: %w", c.given, err)
	}
	defer r.Close()
	return eachModule(ctx, r, ".", c.commit, maxSubmodules, visit, missing)
}

func eachModule(ctx context.Context, r *git.Repo, at, commit string, depth int, visit func(r *git.Repo, at, commit string) error, missing func(git.Link, error)) error {
	if err := visit(r, at, commit); err != nil {
		return err
	}
	links, err := r.Links(ctx, commit)
	if err != nil {
		return err
	}
	for _, l := range links {
		place := git.Link{Path: path.Join(at, l.Path), Commit: l.Commit}
		if depth == 0 || !filepath.IsLocal(place.Path) {
			missing(place, fmt.Errorf("%s lies in more than %d submodules", place.Path, maxSubmodules))
			continue
		}
		sub, err := r.Submodule(ctx, commit, l)
		if err != nil {
			missing(place, err)
			continue
		}
		err = eachModule(ctx, sub, place.Path, l.Commit, depth-1, visit, missing)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// rest unpacks what lies beside the module's folder.
func (c *checkout) rest(ctx context.Context) (notes []string, err error) {
	if err := os.RemoveAll(c.to); err != nil {
		return nil, fmt.Errorf("remove source: %w", err)
	}
	return c.unpack(ctx, "")
}

// snapshots adds what git answers of the revision and of its submodules.
func (c *checkout) snapshots(ctx context.Context, p *Package) error {
	top, err := filepath.EvalSymlinks(c.to)
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	return errors.Join(c.each(ctx, func(r *git.Repo, at, commit string) error {
		place := filepath.Join(top, at)
		if _, err := os.Stat(place); err != nil {
			return nil
		}
		return p.snapshot(ctx, &p.Files, r, place, git.Snapshot{Commit: commit, Work: place})
	}, func(git.Link, error) {}), ctx.Err())
}
