package initramfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFindSource(t *testing.T) {
	t.Setenv(EnvSource, "")
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := FindSource(); err != nil || got != here {
		t.Errorf("%s, %v", got, err)
	}
	t.Setenv(EnvSource, "..")
	if got, err := FindSource(); err != nil || got != here {
		t.Errorf("%s, %v", got, err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "go.mod"), []byte("module example.com/other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{other: "example.com/other", filepath.Join(other, "none"): "no such file"} {
		t.Setenv(EnvSource, dir)
		if _, err := FindSource(); err == nil || !strings.Contains(err.Error(), EnvSource) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestModuleCache(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	for _, c := range []struct{ cache, path, want string }{
		{"", "", "/home/u/go/pkg/mod"}, {"", "/a:/b", "/a/pkg/mod"}, {"/c", "/a", "/c"},
	} {
		t.Setenv("GOMODCACHE", c.cache)
		t.Setenv("GOPATH", c.path)
		if got := moduleCache(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// copySource copies what the base is made from.
func copySource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range append([]string{"initramfs"}, initSources...) {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join("..", sub, "*.go"))
		for _, file := range files {
			copyFile(t, file, filepath.Join(dir, sub, filepath.Base(file)))
		}
	}
	copyFile(t, "../go.mod", filepath.Join(dir, "go.mod"))
	copyFile(t, "../go.sum", filepath.Join(dir, "go.sum"))
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestBaseDigest(t *testing.T) {
	dir := copySource(t)
	digest := func() string {
		t.Helper()
		d, err := BaseDigest(t.Context(), dir, "")
		if err != nil || !strings.HasPrefix(d, "sha256:") || len(d) != len("sha256:")+64 {
			t.Fatalf("%s, %v", d, err)
		}
		return d
	}
	first := digest()
	if digest() != first {
		t.Error("the same source has two digests")
	}
	for file, matters := range map[string]bool{
		"initramfs/guest/new_test.go": false, "README.md": false, "initramfs/guest/new.txt": false,
		"initramfs/guest/new.go": true, "results/wire/codec.go": true, "go.sum": true, "initramfs/build.go": true, "cmd/modmatrix-init/main.go": true,
	} {
		before := digest()
		if err := os.WriteFile(filepath.Join(dir, file), []byte("package changed\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if changed := digest() != before; changed != matters {
			t.Errorf("%s changed: digest changed is %v", file, changed)
		}
	}
	if _, err := BaseDigest(t.Context(), t.TempDir(), ""); err == nil {
		t.Error("an empty folder has a digest")
	}
}

func TestNoGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := BaseDigest(t.Context(), "..", "")
	err2 := BuildBase(t.Context(), Options{Source: "..", Out: filepath.Join(t.TempDir(), "out")})
	for _, err := range []error{err, err2} {
		if err == nil || !strings.Contains(err.Error(), "no go command on PATH") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
		}
	}
}

// What go.mod asks for is what a user is told to install.
func TestMinGo(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil || !strings.Contains(string(text), "\ngo "+strings.TrimPrefix(minGo, "go")+"\n") {
		t.Errorf("go.mod does not say %s: %v", minGo, err)
	}
	if said := (&NoGoError{}).Error(); !strings.HasPrefix(minGo, "go"+strings.Fields(said)[3]) {
		t.Errorf("%q is not about %s", said, minGo)
	}
}

// TestSourcesAreAll holds initSources to what the guest's programs import of this module: a digest that leaves a package out would
// give a stale image.
func TestSourcesAreAll(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", initPackage, shellPackage)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if sub, ok := strings.CutPrefix(strings.TrimSpace(line), modulePath+"/"); ok {
			got = append(got, sub)
		}
	}
	want := slices.Clone(initSources)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the guest consists of %v, the digest is over %v", got, want)
	}
}

func TestCommandsAreInTheModuleGraph(t *testing.T) {
	if !slices.IsSorted(commands) {
		t.Error("the commands are not sorted")
	}
	list := []string{"list", "-mod=readonly", "-tags=" + shellTag, "-deps"}
	for _, name := range commands {
		list = append(list, urootCommands+name)
	}
	if out, err := exec.Command("go", list...).CombinedOutput(); err != nil {
		t.Errorf("go.mod lacks a tool: %v\n%s", err, out)
	}
}
