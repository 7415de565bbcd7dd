package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGitFolderElsewhere: no folder can present a repository that does not know of it.
func TestGitFolderElsewhere(t *testing.T) {
	victim := repository(t, "secret", "x")
	gitIn(t, victim, "worktree", "add", "-q", "-b", "other", filepath.Join(t.TempDir(), "linked"))
	for name, plant := range map[string]func(dir string) error{
		"gitdir:": func(dir string) error { return os.WriteFile(dir+"/.git", []byte("gitdir: "+victim+"/.git\n"), 0o644) },
		"gitdir: of a linked one": func(dir string) error {
			return os.WriteFile(dir+"/.git", []byte("gitdir: "+victim+"/.git/worktrees/linked\n"), 0o644)
		},
		"link": func(dir string) error { return os.Symlink(victim+"/.git", dir+"/.git") },
		"commondir": func(dir string) error {
			fake := dir + "/fake/worktrees/linked"
			put(t, fake+"/commondir", victim+"/.git\n")
			put(t, fake+"/gitdir", dir+"/.git\n")
			put(t, fake+"/HEAD", "ref: refs/heads/main\n")
			return os.WriteFile(dir+"/.git", []byte("gitdir: fake/worktrees/linked\n"), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := plant(dir); err != nil {
				t.Fatal(err)
			}
			if commit, _, err := State(t.Context(), dir); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("it stands on %s: %v", commit, err)
			}
			if r, err := Open(t.Context(), dir); err == nil {
				t.Error("it was opened")
				r.Close()
			}
			if out, err := plainGit(t, dir, "show", "main:secret"); err != nil || out != "x" {
				t.Errorf("the attack does not even work against git: %s, %v", out, err)
			}
		})
	}
}

// TestObjectsElsewhere: what a repository holds of another one is found out.
func TestObjectsElsewhere(t *testing.T) {
	victim := repository(t, "secret", "x")
	objects, commit := victim+"/.git/objects", gitIn(t, victim, "rev-parse", "HEAD")
	gitIn(t, victim, "tag", "-f", "v1")
	for name, plant := range map[string]func(dir string) error{
		"alternates": func(dir string) error { put(t, dir+"/.git/objects/info/alternates", objects+"\n"); return nil },
		"link":       func(dir string) error { return os.Rename(linked(dir+"/.git/new", objects), dir+"/.git/objects") },
		"a link to a part": func(dir string) error {
			for _, d := range []string{commit[:2], gitIn(t, victim, "rev-parse", "HEAD^{tree}")[:2], gitIn(t, victim, "rev-parse", "HEAD:secret")[:2]} {
				os.Symlink(objects+"/"+d, dir+"/.git/objects/"+d)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			gitIn(t, dir, "init", "-q", "-b", "main")
			if name == "link" {
				os.RemoveAll(dir + "/.git/objects")
			}
			if err := plant(dir); err != nil {
				t.Fatal(err)
			}
			put(t, dir+"/.git/refs/heads/main", commit+"\n")
			r, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.Contained(t.Context()); err == nil {
				t.Error("nobody noticed")
			}
			if out, err := plainGit(t, dir, "show", "main:secret"); err != nil || out != "x" {
				t.Errorf("the attack does not even work against git: %s, %v", out, err)
			}
		})
	}
}

func linked(name, to string) string {
	os.Symlink(to, name)
	return name
}

// TestWorkTreeElsewhere: the work tree is the folder in which the repository was found, whatever its configuration says.
func TestWorkTreeElsewhere(t *testing.T) {
	dir, other := repository(t), t.TempDir()
	gitIn(t, dir, "config", "core.worktree", other)
	if _, dirty, err := State(t.Context(), dir); err != nil || dirty {
		t.Errorf("dirty: %v, %v", dirty, err)
	}
	if out := gitIn(t, dir, "rev-parse", "--show-toplevel"); out == dir {
		t.Error("the attack does not even work against git")
	}
}
