package git

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// Tracked are the paths of all files in the index, below the top of the work tree.
func (r *Repo) Tracked(ctx context.Context) ([]string, error) {
	out, err := r.run(ctx, "ls-files", "-z")
	return strings.FieldsFunc(out, func(c rune) bool { return c == 0 }), err
}

// Top is the folder of the work tree, absolute and without links; empty for a bare repository.
func (r *Repo) Top() string { return r.top }

// Link is a place in a commit where a submodule belongs.
type Link struct {
	Path   string
	Commit string // of the submodule's, a full hash
}

// Links are the submodules of a commit.
func (r *Repo) Links(ctx context.Context, commit string) (links []Link, err error) {
	out, err := r.run(ctx, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	list, err := parseListed(out)
	for _, e := range list {
		if e.mode == 0o160000 {
			links = append(links, Link{e.path, e.object})
		}
	}
	return links, err
}

// Submodule opens the repository of a submodule of a commit, where this machine has it and it holds the commit: among the git folders
// that r keeps for its submodules, or in the work tree. Nothing is fetched.
func (r *Repo) Submodule(ctx context.Context, commit string, l Link) (*Repo, error) {
	var places []string
	if name := r.submoduleName(ctx, commit, l.Path); filepath.IsLocal(name) {
		places = append(places, filepath.Join(r.dir, "modules", name), filepath.Join(r.common, "modules", name))
	}
	if r.top != "" {
		places = append(places, filepath.Join(r.top, l.Path))
	}
	for _, at := range places {
		if real, err := filepath.EvalSymlinks(at); err != nil || real != at {
			continue // a link, maybe to another repository of the user's
		}
		sub, err := open(ctx, at, true)
		if err != nil {
			continue
		}
		if _, err := sub.Commit(ctx, l.Commit); err == nil && (sub.common == at || sub.top == at) && sub.Contained(ctx) == nil {
			return sub, nil
		}
		sub.Close()
	}
	return nil, fmt.Errorf("%s is a submodule, and its commit %.12s is not here", l.Path, l.Commit)
}

// submoduleName is what .gitmodules of the commit calls the submodule at path.
func (r *Repo) submoduleName(ctx context.Context, commit, path string) string {
	out, err := r.run(ctx, "config", "--no-includes", "--blob", commit+":.gitmodules", "-z", "--list")
	if err != nil {
		return ""
	}
	for setting := range strings.SplitSeq(out, "\x00") {
		key, value, _ := strings.Cut(setting, "\n")
		name, ok := strings.CutPrefix(strings.TrimSuffix(key, ".path"), "submodule.")
		if ok && strings.HasSuffix(key, ".path") && value == path {
			return name
		}
	}
	return ""
}
