package dkms

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/modmatrix/modmatrix/kernels/git"
)

// scope is how far a source may reach.
type scope struct {
	top   string // all lies in there
	whole bool   // all of it is the author's; else top is the folder that the module's lies in, and what lies beside is looked at one by one
}

// findScope finds how far the source may reach. dkms copies a package's folder alone, and so its repository is one that begins there.
func (g *gatherer) findScope(ctx context.Context) error {
	g.scope = scope{top: g.dir, whole: true}
	limit := "/"
	if g.p.Kind != Folder {
		real, err := filepath.EvalSymlinks(g.p.unpacked)
		if err != nil {
			return fmt.Errorf("open source: %w", err)
		}
		limit = real
		if !g.p.HasConf {
			g.scope.top = real
		}
	}
	if g.p.checkout != nil {
		return nil
	}
	if r, err := git.Open(ctx, g.dir); err == nil {
		if below(limit, r.Top()) && g.counts(ctx, r) {
			g.repo = r
		} else {
			r.Close()
		}
	}
	if g.p.Kind != Folder || g.p.HasConf {
		return ctx.Err()
	}
	if parent := filepath.Dir(g.dir); g.repo != nil {
		g.scope.top = outermost(ctx, g.repo.Top())
	} else if isProject(parent, g.dir) {
		g.scope = scope{top: parent}
	}
	return ctx.Err()
}

// outermost is the top of the repository that the one at top is a submodule of, if it is one's.
func outermost(ctx context.Context, top string) string {
	for range maxSubmodules {
		r, err := git.Open(ctx, filepath.Dir(top))
		if err != nil {
			break
		}
		outer := r.Top()
		tracked, err := r.Tracked(ctx)
		r.Close()
		if err != nil || isHome(outer) || !slices.Contains(tracked, within(outer, top)) {
			break
		}
		top = outer
	}
	return top
}

// counts reports whether the repository is the module's: it has files in the module's folder, or begins there. What a user keeps of the whole
// home in one is none of a module's.
func (g *gatherer) counts(ctx context.Context, r *git.Repo) bool {
	top := r.Top()
	if top == "" || top == "/" || isHome(top) {
		return false
	}
	if top == g.dir || g.p.HasConf {
		return top == g.dir
	}
	tracked, err := r.Tracked(ctx)
	return err == nil && slices.ContainsFunc(tracked, func(name string) bool { return strings.HasPrefix(name, r.Prefix) })
}

// isHome reports whether somebody's home is the folder, or lies in it.
func isHome(dir string) bool {
	home, err := os.UserHomeDir()
	if real, realErr := filepath.EvalSymlinks(home); err == nil && realErr == nil && below(dir, real) {
		return true
	}
	return dir == "/" || slices.Contains([]string{"/root", "/home"}, dir) || filepath.Dir(dir) == "/home"
}

// isProject reports whether what lies in the folder parent, beside dir, may belong together with it: it is nobody's home, nobody else can write
// there, and dir's owner owns it.
func isProject(parent, dir string) bool {
	info, err := os.Stat(parent)
	return err == nil && !isHome(parent) && info.Mode().Perm()&0o002 == 0 && owner(info) == ownerOf(dir)
}

func owner(info fs.FileInfo) uint32 {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ^uint32(0)
	}
	return stat.Uid
}

func ownerOf(at string) uint32 {
	info, err := os.Lstat(at)
	if err != nil {
		return ^uint32(0)
	}
	return owner(info)
}

// reaches reports whether the source may refer to the path to. Beside a folder that is in no repository lies what its author has there, or
// what the user has: a hidden name, a link, a repository of its own, and what somebody else owns are none of the source's.
func (g *gatherer) reaches(to string) bool {
	switch {
	case g.isGiven(to):
		return true
	case !below(g.scope.top, to) || hasLink(g.scope.top, to):
		return false
	case g.scope.whole:
		return true
	}
	name, _, _ := strings.Cut(within(g.scope.top, to), "/")
	if name == "" || strings.HasPrefix(name, ".") {
		return false
	}
	sibling := filepath.Join(g.scope.top, name)
	info, err := os.Lstat(sibling)
	if err != nil {
		return filepath.Dir(to) == g.scope.top
	}
	_, ofItsOwn := os.Lstat(filepath.Join(sibling, ".git"))
	return (info.IsDir() || info.Mode().IsRegular()) && owner(info) == ownerOf(g.dir) && ofItsOwn != nil
}

// hasLink reports whether a folder on the way from top to the path to is a link.
func hasLink(top, to string) bool {
	for at := filepath.Dir(to); at != top && below(top, at); at = filepath.Dir(at) {
		if info, err := os.Lstat(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return true
		}
	}
	return false
}
