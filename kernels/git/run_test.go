package git

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCallersGitVariables: modmatrix may be called by a hook of another repository.
func TestCallersGitVariables(t *testing.T) {
	other := repository(t)
	dir := repository(t, "b", "")
	want := gitIn(t, dir, "rev-parse", "HEAD")
	trap := filepath.Join(t.TempDir(), "sprung")
	t.Setenv("GIT_DIR", other+"/.git")
	t.Setenv("GIT_INDEX_FILE", other+"/.git/index")
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
	t.Setenv("GIT_CONFIG_VALUE_0", "touch "+trap+"; false")
	if got, dirty, err := State(t.Context(), dir); err != nil || got != want || dirty {
		t.Errorf("%s, %v, %v; want %s", got, dirty, err, want)
	}
	if _, err := os.Stat(trap); err == nil {
		t.Error("the caller's variables count")
	}
	if out := gitIn(t, dir, "rev-parse", "HEAD"); out == want {
		t.Error("the variables do not even work on git")
	}
}

// TestClone: a URL is cloned only by the protocols that are meant for it, whichever of them it leads to.
func TestClone(t *testing.T) {
	dir := repository(t)
	trap := filepath.Join(t.TempDir(), "sprung")
	for _, url := range []string{"ext::touch " + trap, dir, "file://" + dir, "/nonexistent"} {
		if err := Clone(t.Context(), url, filepath.Join(t.TempDir(), "clone")); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s was cloned: %v", url, err)
		}
	}
	if _, err := os.Stat(trap); err == nil {
		t.Error("the program was run")
	}
	if err := exec.Command("git", "-c", "protocol.ext.allow=always", "clone", "-q", "ext::touch "+trap, t.TempDir()+"/x").Run(); err == nil {
		t.Error("it was cloned")
	}
	if _, err := os.Stat(trap); err != nil {
		t.Error("the attack does not even work against git")
	}
	gitIn(t, dir, "update-server-info")
	server := httptest.NewServer(http.FileServer(http.Dir(dir + "/.git")))
	defer server.Close()
	t.Setenv("GIT_DIR", "/nonexistent")
	clone := filepath.Join(t.TempDir(), "clone")
	if err := Clone(t.Context(), server.URL, clone); err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), clone)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if commit, err := r.Commit(t.Context(), "v1"); err != nil || !commitHash.MatchString(commit) {
		t.Error(commit, err)
	}
}

// TestNothingBlocks: a pipe where a file belongs is not waited for, or not for long.
func TestNothingBlocks(t *testing.T) {
	defer func(was time.Duration) { limit = was }(limit)
	for _, name := range []string{".git/HEAD", ".git/config", ".git/index", ".git/packed-refs", ".git/commondir", ".git/info/exclude", ".git/refs/heads/main", ".gitignore", "module/a.c", ".git"} {
		limit = 2 * time.Minute
		dir := repository(t)
		path := filepath.Join(dir, name)
		os.RemoveAll(path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), syscall.Mkfifo(path, 0o644)); err != nil {
			t.Fatal(err)
		}
		limit = 100 * time.Millisecond
		began := time.Now()
		_, _, err := State(t.Context(), dir)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %v, %v", name, took, err)
		}
	}
}

// TestNobodyElseStartsGit: programs of the project that read strangers' folders leave git to this package.
func TestNobodyElseStartsGit(t *testing.T) {
	starts := regexp.MustCompile(`(?i)(command|lookpath|run)(context)?\([^)\n]*"git"`)
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == "../../kernels/git" {
			return err
		}
		text, err := os.ReadFile(path)
		if line := starts.Find(text); line != nil {
			t.Errorf("%s: %s", path, line)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("run.go")
	if err != nil || !starts.Match(own) {
		t.Error("the test finds no start of git at all:", err)
	}
}
