package initramfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

func TestCompileErrorIsOneLine(t *testing.T) {
	for output, want := range map[string]string{
		"# x\n./a_test.go:3:2: undefined: foo\n./a_test.go:4:2: undefined: bar\nFAIL x [build failed]\n": "a_test.go:3:2: undefined: foo",
		"go: go.mod file not found in current directory or any parent directory; see 'go help modules'":  "its folder is in no Go module: modmatrix init shows a go.mod that resolves what a suite imports",
		"# x\n\nlink: out of patience\n": "link: out of patience",
		"":                               "go printed nothing",
	} {
		if got := (&CompileError{output}).Error(); got != want {
			t.Errorf("%q: got %q, want %q", output, got, want)
		}
	}
}

func writeSuite(t *testing.T, files map[string]string) string {
	t.Helper()
	if err := warm(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCompileSuite(t *testing.T) {
	dir := writeSuite(t, map[string]string{"go.mod": "module x\n\ngo 1.26\n", "x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n"})
	out := filepath.Join(t.TempDir(), "x.test")
	s := Suites{Cache: t.TempDir(), Offline: true}
	if err := s.Compile(t.Context(), dir, out); err != nil {
		t.Fatal(err)
	}
	before, err := s.Digest(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x_test.go"), []byte("package x\n\nfunc broken() { nothing() }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var bad *CompileError
	if err := s.Compile(t.Context(), dir, out); !errors.As(err, &bad) || !strings.Contains(err.Error(), "x_test.go:3:17: undefined: nothing") {
		t.Errorf("error %v", err)
	}
	if after, err := s.Digest(t.Context(), dir); err != nil || after == before {
		t.Errorf("digest %s as before, %v", after, err)
	}
}

// go asks git for the state of what it builds, and git runs what the suite's repository names.
func TestSuiteRunsNoGit(t *testing.T) {
	slowtest.Skip(t)
	s := Suites{Cache: t.TempDir(), Offline: true}
	for name, pkg := range map[string]string{"a library": "x", "a program": "main"} {
		t.Run(name, func(t *testing.T) {
			dir := writeSuite(t, map[string]string{"go.mod": "module x\n\ngo 1.26\n", "x.go": "package " + pkg + "\n\nfunc main() {}\n",
				"x_test.go": "package " + pkg + "\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n"})
			trap := filepath.Join(t.TempDir(), "sprung")
			for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"},
				{"config", "core.fsmonitor", "touch " + trap + "; false"}} {
				if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
					t.Fatalf("git %s: %v: %s", args, err, out)
				}
			}
			t.Setenv("GOFLAGS", "-buildvcs=true")
			if _, err := s.Digest(t.Context(), dir); err != nil {
				t.Error(err)
			}
			if err := s.Compile(t.Context(), dir, filepath.Join(t.TempDir(), "x.test")); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(trap); err == nil {
				t.Error("a program that the repository names was run")
			}
			out := byGo(t, dir, "-buildvcs=true")
			if _, missing := os.Stat(trap); missing != nil {
				t.Errorf("the attack does not even work against go: %s", out)
			}
		})
	}
}
