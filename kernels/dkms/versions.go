package dkms

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/modmatrix/modmatrix/kernels/git"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// versions adds what is under version control, and, where the source asks git, what git answers.
func (g *gatherer) versions(ctx context.Context, top string) error {
	f := &g.p.Files
	if g.p.checkout != nil {
		for _, file := range g.products {
			f.Tracked[within(top, file)] = true
		}
		if g.git && (!g.p.HasConf || g.p.checkout.folder == "") && below(top, g.scope.top) {
			return g.p.checkout.snapshots(ctx, g.p)
		}
		return nil
	}
	repos := map[string]*git.Repo{} // by their folders
	if g.repo != nil {
		repos[g.repo.Top()] = g.repo
	}
	for _, at := range g.nested {
		if r, err := git.Open(ctx, at); err == nil && len(repos) < maxRepos && repos[r.Top()] == nil && below(at, r.Top()) && r.Top() == at {
			defer r.Close()
			repos[at] = r
		} else if err == nil {
			r.Close()
		}
	}
	for at, r := range repos {
		tracked, err := r.Tracked(ctx)
		for _, name := range tracked {
			if file := filepath.Join(at, name); kbuild.IsProduct(path.Base(name)) && below(top, file) {
				f.Tracked[within(top, file)] = true
			}
		}
		if err == nil && g.git && below(top, at) {
			err = g.p.snapshot(ctx, f, r, at, git.Snapshot{})
		}
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// hideGit has git's own folder of a package that dkms would evaluate in place covered by what git may answer there, or by nothing.
func (g *gatherer) hideGit() error {
	if _, err := os.Lstat(filepath.Join(g.dir, ".git")); err != nil || !g.p.HasConf {
		return nil
	}
	if g.p.gitDir = g.p.Files.Git["."].Dir; g.p.gitDir != "" {
		return nil
	}
	made, err := g.p.tempDir()
	if err != nil {
		return err
	}
	g.p.gitDir = filepath.Join(made, "none")
	return os.MkdirAll(g.p.gitDir, 0o755)
}

// maxRepos bounds the repositories that lie in one source.
const maxRepos = 64

// snapshot adds what git answers of a repository whose files stand at, below Top. A repository that git cannot read is none of a build's.
func (p *Package) snapshot(ctx context.Context, f *kbuild.Source, r *git.Repo, at string, s git.Snapshot) error {
	made, err := p.tempDir()
	if err != nil {
		return err
	}
	to, err := os.MkdirTemp(made, "git-*")
	if err != nil {
		return fmt.Errorf("copy git folder: %w", err)
	}
	below := within(f.Top, at)
	if real, err := filepath.EvalSymlinks(f.Top); err == nil {
		below = within(real, at)
	}
	s.Time = kbuild.Time
	s.Has = func(name string) bool { return f.Holds(path.Join(below, name)) }
	digest, note, err := s.Write(ctx, r, to)
	if err != nil {
		p.Notes = append(p.Notes, "git has no answers for a build: "+clean(err.Error()))
		return errors.Join(ctx.Err(), os.RemoveAll(to))
	}
	if f.Git == nil {
		f.Git = map[string]kbuild.Git{}
	}
	f.Git[path.Join(".", below)] = kbuild.Git{Dir: to, Digest: digest}
	if note != "" {
		p.Notes = append(p.Notes, note)
	}
	return nil
}

// tempDir is a folder for what Gather makes.
func (p *Package) tempDir() (string, error) {
	if p.made == "" {
		made, err := os.MkdirTemp(p.work, "modmatrix-source-*")
		if err != nil {
			return "", fmt.Errorf("make folder for source: %w", err)
		}
		p.made = made
	}
	return p.made, nil
}

// Close removes what Gather made.
func (p *Package) Close() {
	if p.made != "" {
		_ = os.RemoveAll(p.made)
	}
}
