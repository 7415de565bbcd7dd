package harness

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Inputs change with what verdicts rest on, and with nothing else.
func TestInputsAreWhatVerdictsRestOn(t *testing.T) {
	f := newFixture(t, "")
	suite := filepath.Join(f.spec.Module, SuitesDir, "mine")
	for path, text := range map[string]string{filepath.Join(suite, "mine_test.go"): "package mine\n", filepath.Join(f.spec.Module, SuitesDir, "go.mod"): "module mine\n",
		filepath.Join(f.spec.Module, ".git", "HEAD"): "ref: refs/heads/main\n"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
	os.RemoveAll(filepath.Join(f.spec.Module, ".git")) // no repository, after all
	f.spec.Suites, f.spec.Out = []string{Lifecycle, suite}, filepath.Join(f.spec.Module, OutName)
	look := func() Inputs {
		t.Helper()
		in, err := f.Inputs(t.Context(), f.spec)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	first := look()
	if again := look(); again.Digest != first.Digest {
		t.Errorf("the same twice: %s, %s", first.Digest, again.Digest)
	}
	if want := []string{f.spec.Module, filepath.Dir(suite)}; !slices.Equal(first.Folders, want) {
		t.Errorf("folders %v, want %v", first.Folders, want)
	}
	for _, file := range []string{filepath.Join(f.spec.Module, ConfigName), filepath.Join(filepath.Dir(suite), "go.mod")} {
		if !slices.Contains(first.Files, file) {
			t.Errorf("%s is none of %v", file, first.Files)
		}
	}
	if !slices.Contains(first.Leave, f.spec.Out) {
		t.Errorf("%s is none of %v", f.spec.Out, first.Leave)
	}
	for _, c := range []struct {
		what  string
		do    func()
		other bool
	}{
		{"results", func() { _ = os.Mkdir(f.spec.Out, 0o755); write(t, filepath.Join(f.spec.Out, "x"), "y") }, false},
		{"a product", func() { write(t, filepath.Join(f.spec.Module, "fifo.ko"), "y") }, false},
		{"how many at once", func() { f.spec.Jobs = 7 }, false},
		{"the source", func() { write(t, filepath.Join(f.spec.Module, "fifo.c"), "int other;\n") }, true},
		{"a suite", func() { write(t, filepath.Join(suite, "mine_test.go"), "package mine // other\n") }, true},
		{"what suites share", func() { write(t, filepath.Join(f.spec.Module, SuitesDir, "go.mod"), "module other\n") }, true},
		{"the kernels", func() { f.spec.Kernels = f.spec.Kernels[:1] }, true},
		{"a parameter", func() { f.spec.Params = []string{"a=1"} }, true},
		{"a focus", func() { f.spec.Focus = "x" }, true},
	} {
		before := look().Digest
		c.do()
		if other := look().Digest != before; other != c.other {
			t.Errorf("%s: another digest is %v, want %v", c.what, other, c.other)
		}
	}
}
