package git

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

// states are work trees, by what is said of them.
var states = map[string]struct {
	files []string
	do    func(t *testing.T, dir string) string // returns the folder that is asked about, below dir
	dirty bool
}{
	"clean":             {do: func(t *testing.T, dir string) string { return "." }},
	"touched":           {do: func(t *testing.T, dir string) string { age(t, dir+"/module/a.c"); return "." }},
	"changed":           {do: func(t *testing.T, dir string) string { put(t, dir+"/module/a.c", "int b;\n"); return "module" }, dirty: true},
	"changed elsewhere": {files: []string{"b", ""}, do: func(t *testing.T, dir string) string { put(t, dir+"/b", "b"); return "module" }},
	"gone":              {do: func(t *testing.T, dir string) string { os.Remove(dir + "/module/a.c"); return "." }, dirty: true},
	"added":             {do: func(t *testing.T, dir string) string { put(t, dir+"/module/b.c", ""); return "module" }, dirty: true},
	"staged":            {do: func(t *testing.T, dir string) string { put(t, dir+"/b", ""); gitIn(t, dir, "add", "b"); return "." }, dirty: true},
	"ignored":           {files: []string{".gitignore", "*.o\n"}, do: func(t *testing.T, dir string) string { put(t, dir+"/a.o", ""); return "." }},
	"ignored by exclude": {do: func(t *testing.T, dir string) string {
		put(t, dir+"/.git/info/exclude", "*.o\n")
		put(t, dir+"/a.o", "")
		return "."
	}},
	"a pattern for a name": {files: []string{"m*/a", ""}, do: func(t *testing.T, dir string) string { put(t, dir+"/module/b", ""); return "m*" }},
	"ignored by the user": {do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "config", "--global", "core.excludesFile", put(t, os.Getenv("HOME")+"/mine", "*.swp\n"))
		put(t, dir+"/a.swp", "")
		return "."
	}},
	"not executable": {do: func(t *testing.T, dir string) string { os.Chmod(dir+"/module/a.c", 0o644); return "." }, dirty: true},
	"modes do not count": {do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "config", "core.fileMode", "false")
		os.Chmod(dir+"/module/a.c", 0o644)
		return "."
	}},
	"CRLF by attribute": {files: []string{".gitattributes", "*.c text eol=crlf\n"}, do: func(t *testing.T, dir string) string {
		crlf(t, dir)
		return "."
	}},
	"CRLF by setting": {do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "config", "core.autocrlf", "true")
		crlf(t, dir)
		return "."
	}},
	"CRLF by none": {do: func(t *testing.T, dir string) string { put(t, dir+"/module/a.c", "int a;\r\n"); return "." }, dirty: true},
	"filtered, and not touched since": {files: []string{".gitattributes", "*.bin filter=up\n"}, do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "config", "filter.up.clean", "tr a-z A-Z")
		age(t, put(t, dir+"/x.bin", "low"))
		commit(t, dir)
		return "."
	}},
	"split index": {do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "update-index", "--split-index")
		put(t, dir+"/b", "")
		gitIn(t, dir, "add", "b")
		return "module"
	}},
	"linked work tree": {do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "worktree", "add", "-q", "-b", "other", "linked")
		put(t, dir+"/linked/module/a.c", "int b;\n")
		return "linked/module"
	}, dirty: true},
	"shallow clone": {do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "clone", "-q", "--depth=1", "file://"+dir, "shallow")
		return "shallow"
	}},
	"shared clone": {do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "clone", "-q", "--shared", ".", "shared")
		return "shared"
	}},
	"packed":   {do: func(t *testing.T, dir string) string { gitIn(t, dir, "gc", "-q"); return "." }},
	"detached": {do: func(t *testing.T, dir string) string { gitIn(t, dir, "checkout", "-q", "--detach"); return "." }},
	"SHA-256": {do: func(t *testing.T, dir string) string {
		gitIn(t, dir, "init", "-q", "--object-format=sha256", "sub")
		put(t, dir+"/sub/x", "")
		commit(t, dir+"/sub")
		return "sub"
	}},
	"submodule": {do: func(t *testing.T, dir string) string { submodule(t, dir); return "." }},
	"asked about the submodule": {do: func(t *testing.T, dir string) string {
		put(t, submodule(t, dir)+"/module/a.c", "")
		return "sub/module"
	}, dirty: true},
	"changes in the submodule": {do: func(t *testing.T, dir string) string { put(t, submodule(t, dir)+"/module/a.c", ""); return "." }, dirty: true},
	"file in the submodule":    {do: func(t *testing.T, dir string) string { put(t, submodule(t, dir)+"/new", ""); return "." }, dirty: true},
	"commit in the submodule": {do: func(t *testing.T, dir string) string {
		sub := submodule(t, dir)
		put(t, sub+"/module/a.c", "")
		commit(t, sub)
		return "."
	}, dirty: true},
	"submodule that is not checked out": {do: func(t *testing.T, dir string) string {
		submodule(t, dir)
		gitIn(t, dir, "submodule", "--quiet", "deinit", "-f", "sub")
		return "."
	}},
}

// TestStateIsWhatGitSays: of a repository that hides nothing the answer is that of git itself.
func TestStateIsWhatGitSays(t *testing.T) {
	slowtest.Skip(t)
	for name, tt := range states {
		t.Run(name, func(t *testing.T) {
			dir := repository(t, tt.files...)
			at := filepath.Join(dir, tt.do(t, dir))
			want := gitIn(t, at, "rev-parse", "HEAD")
			status := gitIn(t, at, "--no-optional-locks", "--literal-pathspecs", "status", "--porcelain", "--", ".")
			before := snapshot(t, dir)
			got, dirty, err := State(t.Context(), at)
			if snapshot(t, dir) != before {
				t.Error("something was written")
			}
			if err != nil || got != want || dirty != tt.dirty || dirty != (status != "") {
				t.Errorf("%s, %v, %v; git says %s, %q", got, dirty, err, want, status)
			}
		})
	}
}

// crlf has git check out a file with CRLF anew, and makes it look changed.
func crlf(t *testing.T, dir string) {
	t.Helper()
	os.Remove(dir + "/module/a.c")
	gitIn(t, dir, "checkout", "-q", "module/a.c")
	if text, _ := os.ReadFile(dir + "/module/a.c"); string(text) != "int a;\r\n" {
		t.Fatalf("it holds %q", text)
	}
	age(t, dir+"/module/a.c")
}

// snapshot is what is in a folder, and since when.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	all := ""
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if info, infoErr := d.Info(); err == nil && infoErr == nil {
			all += fmt.Sprintln(path, info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// submodule adds one to the repository at dir, commits it, and returns its folder.
func submodule(t *testing.T, dir string) string {
	t.Helper()
	gitIn(t, dir, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", dir, "sub")
	commit(t, dir)
	return filepath.Join(dir, "sub")
}

// TestRacyChange: a file that changed within the time and size that the index holds of it is changed all the same.
func TestRacyChange(t *testing.T) {
	dir := repository(t)
	for i := range 20 {
		put(t, dir+"/module/a.c", strings.Repeat("x", 5)+string(rune('a'+i)))
		commit(t, dir)
		put(t, dir+"/module/a.c", strings.Repeat("y", 5)+string(rune('a'+i)))
		if _, dirty, err := State(t.Context(), dir); err != nil || !dirty {
			t.Fatal("the change went unnoticed", err)
		}
	}
}

func TestStateOfNoWorkTree(t *testing.T) {
	dir := repository(t)
	empty := t.TempDir()
	gitIn(t, empty, "init", "-q")
	gitIn(t, dir, "clone", "-q", "--bare", ".", empty+"/bare.git")
	os.RemoveAll(empty + "/.git")
	gitIn(t, t.TempDir(), "init", "-q", empty+"/new")
	for _, at := range []string{t.TempDir(), empty + "/bare.git", empty + "/new", "/nonexistent"} {
		if commit, _, err := State(t.Context(), at); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s stands on %s, %v", at, commit, err)
		}
	}
}

func TestRepo(t *testing.T) {
	dir := repository(t, "module/skip", "", ".gitattributes", "skip export-ignore\nmodule/id export-subst\n", "module/id", "$Format:%H$")
	first := gitIn(t, dir, "rev-parse", "HEAD")
	put(t, dir+"/module/a.c", "int b;\n")
	commit(t, dir)
	r, err := Open(t.Context(), filepath.Join(dir, "module"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for name, want := range map[string]string{"v1": first, "HEAD~1": first, first[:8]: first, "main": gitIn(t, dir, "rev-parse", "main"), "gone": "", "--all": "", "v1:module": ""} {
		if got, err := r.Commit(t.Context(), name); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%s is %s, %v", name, got, err)
		}
	}
	if tags, err := r.Tags(t.Context()); err != nil || len(tags) != 1 || tags[0] != "v1" {
		t.Error(tags, err)
	}
	if text, err := r.File(t.Context(), first, "module/a.c"); err != nil || text != "int a;\n" {
		t.Error(text, err)
	}
	if r.Prefix != "module/" || r.Common() != filepath.Join(dir, ".git") {
		t.Error(r.Prefix, r.Common())
	}
	if err := r.Contained(t.Context()); err != nil {
		t.Error(err)
	}
	archive := func(tree, prefix string) string {
		t.Helper()
		cmd, err := r.Archive(t.Context(), tree, prefix)
		if err != nil {
			t.Fatal(err)
		}
		tar, err := cmd.Output()
		if err != nil {
			t.Error(err)
		}
		return string(tar)
	}
	if tar := archive(first+":"+r.Prefix, "x/"); !strings.Contains(tar, "int a;") || !strings.Contains(tar, "x/a.c") || strings.Contains(tar, "module/a.c") {
		t.Error("it is not the folder")
	}
	if tar := archive(first, ""); !strings.Contains(tar, "$Format:%H$\x00") || !strings.Contains(tar, "module/skip") {
		t.Error("it is not what a checkout would hold")
	}
	for _, tree := range []string{"--output=" + dir + "/x:", "HEAD", ""} {
		if _, err := r.Archive(t.Context(), tree, ""); err == nil {
			t.Errorf("%q is a tree", tree)
		}
	}
	r.Close()
	if _, err := os.Stat(r.own); err == nil {
		t.Error("something is left")
	}
}
