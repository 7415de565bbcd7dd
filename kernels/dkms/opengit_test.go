package dkms

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git here")
	}
	dir := source(t, map[string]string{"module/dkms.conf": goodConf, "module/Makefile": "", "README": ""})
	for _, args := range [][]string{
		{"init", "-q", "."}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "x"}, {"tag", "v1"},
		{"config", "filter.evil.smudge", "touch " + filepath.Join(dir, "owned")},
	} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "module/dkms.conf"), []byte("changed since"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".git/info/attributes"), []byte("* filter=evil\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{filepath.Join(dir, "module") + "@v1", filepath.Join(dir, "module") + "@HEAD", "file://" + dir + "@v1"} {
		p, err := Open(t.Context(), given, t.TempDir())
		if strings.HasPrefix(given, "file:") {
			if err == nil || !strings.Contains(err.Error(), "no Makefile and no Kbuild") { // the module is in a folder of it
				t.Errorf("%s: %v", given, err)
			}
			continue
		}
		if err != nil || p.Kind != Git || p.Name != "hello" || len(p.Revision) != 40 {
			t.Errorf("%s: %+v, %v", given, p, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "owned")); err == nil {
		t.Error("a program that the repository names was run")
	}
	for given, want := range map[string]string{
		dir + "@gone":              "no such revision",
		t.TempDir() + "@v1":        "no such revision",
		"/nonexistent@v1":          "no such file or folder",
		dir + "@--upload-pack=x":   "no such file or folder",
		"file:///nonexistent@main": "cannot be cloned",
	} {
		if _, err := Open(t.Context(), given, t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", given, err)
		}
	}
}

// A revision is what the repository itself holds: what it lacks is not fetched, and nothing comes out of another repository of the user's.
func TestOpenGitHostile(t *testing.T) {
	git := func(dir string, args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	repository := func() (dir string) {
		dir = source(t, map[string]string{"dkms.conf": goodConf, "Makefile": "secret"})
		git(dir, "init", "-q", ".")
		git(dir, "add", ".")
		git(dir, "commit", "-q", "-m", "x")
		git(dir, "tag", "v1")
		return dir
	}
	victim, borrowing, posing := repository(), t.TempDir(), t.TempDir()
	sprung := filepath.Join(t.TempDir(), "sprung")
	lacking := func(object string) (dir string) {
		dir = repository()
		hash := git(dir, "rev-parse", object)
		for key, value := range map[string]string{"extensions.partialClone": "origin", "remote.origin.promisor": "true", "core.repositoryFormatVersion": "1",
			"remote.origin.url": "file:///", "remote.origin.uploadpack": "touch " + sprung + ";"} {
			git(dir, "config", key, value)
		}
		if err := os.Remove(filepath.Join(dir, ".git/objects", hash[:2], hash[2:])); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	noFile, noCommit := lacking("v1:Makefile"), lacking("v1")
	git(borrowing, "clone", "-q", "--shared", victim, ".")
	if err := os.WriteFile(filepath.Join(posing, ".git"), []byte("gitdir: "+victim+"/.git\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		noFile + "@v1":             "cannot be read: ",
		"file://" + noFile + "@v1": "cannot be read: ",
		noCommit + "@v1":           "no such revision in a git repository",
		borrowing + "@v1":          "objects/info/alternates names another repository",
		posing + "@v1":             "does not name it as its work tree",
		"file://" + posing + "@v1": "does not name it as its work tree",
	} {
		work := t.TempDir()
		if _, err := Open(t.Context(), given, work); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", given, err, want)
		}
		if left, err := os.ReadFile(filepath.Join(work, "source/Makefile")); err == nil && len(left) > 0 {
			t.Errorf("%s: it was unpacked", given)
		}
	}
	if _, err := os.Stat(sprung); err == nil {
		t.Error("a program that the repository names was run")
	}
	for _, dir := range []string{noFile, noCommit} {
		os.Remove(sprung)
		exec.Command("git", "-C", dir, "archive", "v1").Run()
		if _, err := os.Stat(sprung); err != nil {
			t.Error("the attack does not even work against git")
		}
	}
	for _, dir := range []string{borrowing, posing} {
		if git(dir, "show", "v1:Makefile") != "secret" {
			t.Error("the attack does not even work against git")
		}
	}
}
