package git

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

const copyTime = 946684800

// questions are what builds ask git for, as a line of sh.
const questions = `for q in "rev-parse --abbrev-ref HEAD" "describe --tags --always --dirty" "rev-list --count HEAD" "log -1 --format=%h.%cd -- module" "diff-index --name-only HEAD"; do
	echo "git $q: $(git $q 2>&1)"
done`

// copied makes a copy of the work tree at top, less the names left, with a snapshot of its repository, and returns its folder.
func copied(t *testing.T, top string, s Snapshot, left ...string) (to, digest, note string) {
	t.Helper()
	to = t.TempDir()
	err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		name := strings.TrimPrefix(path, top+"/")
		switch {
		case d.Name() == ".git" && d.IsDir():
			return filepath.SkipDir
		case d.Name() == ".git" || strings.Contains(" "+strings.Join(left, " ")+" ", " "+name+" "):
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		info, _ := d.Info()
		text, _ := os.ReadFile(path)
		at := filepath.Join(to, name)
		if err := os.WriteFile(at, text, info.Mode()); err != nil {
			return err
		}
		return os.Chtimes(at, time.Unix(copyTime, 0), time.Unix(copyTime, 0))
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), top)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Mkdir(to+"/.git", 0o755); err != nil {
		t.Fatal(err)
	}
	s.Time = copyTime
	s.Has = func(path string) bool { _, err := os.Lstat(filepath.Join(to, path)); return err == nil }
	digest, note, err = s.Write(t.Context(), r, to+"/.git")
	if err != nil {
		t.Fatal(err)
	}
	return to, digest, note
}

func ask(t *testing.T, dir string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", questions)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestSnapshotAnswersAsTheRepository: whatever state a work tree is in, what is asked of a copy is answered as in the original.
func TestSnapshotAnswersAsTheRepository(t *testing.T) {
	slowtest.Skip(t)
	for name, tt := range states {
		t.Run(name, func(t *testing.T) {
			dir := repository(t, tt.files...)
			top := gitIn(t, filepath.Join(dir, tt.do(t, dir)), "rev-parse", "--show-toplevel")
			gitIn(t, top, "status") // an index as its author has it
			to, _, note := copied(t, top, Snapshot{})
			if _, err := os.Stat(filepath.Join(top, "sub/.git")); err == nil {
				sub, _, _ := copied(t, filepath.Join(top, "sub"), Snapshot{})
				os.RemoveAll(filepath.Join(to, "sub"))
				if err := os.Rename(sub, filepath.Join(to, "sub")); err != nil {
					t.Fatal(err)
				}
			}
			want, got := ask(t, top), ask(t, to)
			if name == "shared clone" {
				if !strings.Contains(note, "keeps objects elsewhere") || gitIn(t, to, "rev-parse", "HEAD") != gitIn(t, top, "rev-parse", "HEAD") {
					t.Errorf("%s\n%s", note, got)
				}
			} else if got != want || note != "" {
				t.Errorf("%s\n%s\nin the original:\n%s", note, got, want)
			}
		})
	}
}

// TestSnapshotOfACommit: of a revision that is not checked out the copy is clean, and stands on it.
func TestSnapshotOfACommit(t *testing.T) {
	dir := repository(t, "b", "b")
	first := gitIn(t, dir, "rev-parse", "HEAD")
	clone := filepath.Join(t.TempDir(), "clone")
	gitIn(t, dir, "clone", "-q", ".", clone)
	put(t, dir+"/module/a.c", "int b;\n")
	commit(t, dir)
	to, _, _ := copied(t, clone, Snapshot{Commit: first, Work: clone}, "b")
	if got, want := ask(t, to), strings.ReplaceAll(ask(t, clone), ": main", ": HEAD"); got != want {
		t.Errorf("%s\nin the original:\n%s", got, want)
	}
	if got := gitIn(t, to, "rev-parse", "HEAD"); got != first {
		t.Error(got)
	}
}

// TestSnapshotDigest: what a build can ask for counts, and nothing else of a repository does.
func TestSnapshotDigest(t *testing.T) {
	dir := repository(t)
	_, want, _ := copied(t, dir, Snapshot{})
	changes := []struct {
		name string
		do   func()
		same bool
	}{
		{"nothing", func() {}, true},
		{"times", func() { age(t, dir+"/.git/index", dir+"/.git/HEAD", dir+"/module/a.c"); gitIn(t, dir, "status") }, true},
		{"configuration", func() { gitIn(t, dir, "config", "user.name", "x") }, true},
		{"fetched", func() { put(t, dir+"/.git/FETCH_HEAD", ""); gitIn(t, dir, "branch", "other") }, true},
		{"packed", func() { gitIn(t, dir, "gc", "-q") }, true},
		{"reflog", func() { gitIn(t, dir, "checkout", "-q", "other"); gitIn(t, dir, "checkout", "-q", "main") }, true},
		{"tag", func() { gitIn(t, dir, "tag", "v2") }, false},
		{"annotated tag", func() { gitIn(t, dir, "tag", "-f", "-a", "-m", "x", "v2") }, false},
		{"branch", func() { gitIn(t, dir, "checkout", "-q", "other") }, false},
		{"commit", func() { put(t, dir+"/b", ""); commit(t, dir) }, false},
		{"staged", func() { put(t, dir+"/c", ""); gitIn(t, dir, "add", "c") }, false},
	}
	for _, test := range changes {
		test.do()
		_, got, _ := copied(t, dir, Snapshot{})
		if (got == want) != test.same {
			t.Errorf("%s: same digest is %v", test.name, got == want)
		}
		want = got
	}
}

// TestSnapshotOfALongHistory: first the folders of old commits are left out, then all but HEAD.
func TestSnapshotOfALongHistory(t *testing.T) {
	defer func(history, commits int) { maxHistory, maxCommits = history, commits }(maxHistory, maxCommits)
	dir := repository(t)
	for range 3 {
		put(t, dir+"/module/a.c", gitIn(t, dir, "rev-parse", "HEAD"))
		commit(t, dir)
	}
	want := gitIn(t, dir, "describe", "--tags", "--dirty") + gitIn(t, dir, "rev-list", "--count", "HEAD") + gitIn(t, dir, "diff-index", "HEAD")
	maxHistory = 3
	to, _, note := copied(t, dir, Snapshot{})
	got := gitIn(t, to, "describe", "--tags", "--dirty") + gitIn(t, to, "rev-list", "--count", "HEAD") + gitIn(t, to, "diff-index", "HEAD")
	if got != want || note != "" {
		t.Errorf("%s, %s; want %s", got, note, want)
	}
	maxCommits = 3
	to, _, note = copied(t, dir, Snapshot{})
	if got := gitIn(t, to, "rev-parse", "HEAD"); got != gitIn(t, dir, "rev-parse", "HEAD") || !strings.Contains(note, "more than 3 commits") {
		t.Error(got, note)
	}
}

// TestSnapshotHoldsNothingElse: no setting, program, address or content of a file gets into a copy, whatever the repository names.
func TestSnapshotHoldsNothingElse(t *testing.T) {
	dir := repository(t, "module/b", "the secret of a file")
	for key, value := range map[string]string{"remote.origin.url": "https://user:secret@host.invalid/x", "core.fsmonitor": "secret-monitor", "include.path": "/etc/secret",
		"filter.x.clean": "secret", "core.eol": "secret value", "core.worktree": dir, "user.email": "secret@b"} {
		gitIn(t, dir, "config", key, value)
	}
	secret := put(t, filepath.Join(t.TempDir(), "secret"), "secret")
	for _, name := range []string{"hooks/post-checkout", "info/attributes", "config.worktree", "refs/heads/secret"} {
		put(t, dir+"/.git/"+name, "secret")
	}
	os.Remove(dir + "/.git/info/exclude")
	for link, target := range map[string]string{"info/exclude": secret, "refs/tags/secret": secret} {
		if err := os.Symlink(target, filepath.Join(dir, ".git", link)); err != nil {
			t.Fatal(err)
		}
	}
	to, _, _ := copied(t, dir, Snapshot{})
	err := filepath.WalkDir(to+"/.git", func(path string, d os.DirEntry, err error) error {
		if d.IsDir() || err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if !d.Type().IsRegular() || strings.Contains(string(text), "secret") && filepath.Base(path) != "index" {
			t.Errorf("%s: %v %s", path, d.Type(), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blob := gitIn(t, dir, "rev-parse", "HEAD:module/b")
	if out, err := plainGit(t, to, "cat-file", "-e", blob); err == nil {
		t.Error("it holds the content of a file", out)
	}
}

// TestSubmodule: the repository of a submodule is found where git keeps it, and no other is taken for it.
func TestSubmodule(t *testing.T) {
	dir := repository(t)
	sub := submodule(t, dir)
	head := gitIn(t, sub, "rev-parse", "HEAD")
	open := func() (*Repo, string, Link) {
		r, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		commit, _ := r.Commit(t.Context(), "HEAD")
		links, err := r.Links(t.Context(), commit)
		if err != nil || len(links) != 1 || links[0].Path != "sub" || links[0].Commit != head {
			t.Fatal(links, err)
		}
		return r, commit, links[0]
	}
	find := func() bool {
		r, commit, l := open()
		found, err := r.Submodule(t.Context(), commit, l)
		if err != nil {
			return false
		}
		defer found.Close()
		at, err := found.Commit(t.Context(), l.Commit)
		return err == nil && at == l.Commit
	}
	if !find() {
		t.Error("it is not found")
	}
	os.RemoveAll(sub)
	if !find() {
		t.Error("it is not found where it is not checked out")
	}
	if err := os.Rename(dir+"/.git/modules/sub", dir+"/elsewhere"); err != nil {
		t.Fatal(err)
	}
	if find() {
		t.Error("it is found where it is not")
	}
	if err := os.Symlink(dir+"/elsewhere", dir+"/.git/modules/sub"); err != nil {
		t.Fatal(err)
	}
	if find() {
		t.Error("a link is followed")
	}
	os.Remove(dir + "/.git/modules/sub")
	put(t, dir+"/.gitmodules", "[submodule \"../../elsewhere\"]\n\tpath = sub\n")
	gitIn(t, dir, "add", ".gitmodules")
	gitIn(t, dir, "commit", "-q", "-m", "x")
	if find() {
		t.Error("a name leads out of the repository")
	}
}

// FuzzParseListed: a list of git's is read, or refused; what is read makes an index.
func FuzzParseListed(f *testing.F) {
	const hash = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
	f.Add("H 100644 " + hash + " 0\ta\x00S 120000 " + hash + " 2\tb\x00")
	f.Add("100644 blob " + hash + "\ta b\n\x00160000 commit " + hash + "\tsub\x00")
	f.Fuzz(func(t *testing.T, out string) {
		list, err := parseListed(out)
		if err != nil {
			return
		}
		for _, e := range list {
			if e.path == "" || e.stage > 3 || !commitHash.MatchString(e.object) {
				t.Errorf("%+v", e)
			}
		}
		if len(index(list, copyTime)) < 12 {
			t.Error("no index")
		}
	})
}
