package initramfs

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzFindModule: whatever a stranger's go.mod and go.work say, no folder outside of their repository is opened to the suite.
func FuzzFindModule(f *testing.F) {
	f.Add([]byte("module x\nreplace y => ../../secret\n"), []byte("go 1.26\nuse .\n"))
	f.Add([]byte("module x\nreplace y => /etc\nreplace z => ./link\n"), []byte("use ./link/..\nreplace y => ../secret\n"))
	f.Add([]byte("module x\nreplace (\n\ty v1.0.0 => ./in\n\tz => \"../repo/in\"\n)\n"), []byte("use (\n\t./in\n\t..\n)\n"))
	f.Add([]byte("module \x00"), []byte("use"))
	f.Fuzz(func(t *testing.T, mod, work []byte) {
		t.Setenv("GOWORK", "")
		top, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		repository := filepath.Join(top, "repo")
		for _, dir := range []string{".git", "in"} {
			if err := os.MkdirAll(filepath.Join(repository, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(top, "secret"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../secret", filepath.Join(repository, "link")); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"go.mod": mod, "go.work": work} {
			if err := os.WriteFile(filepath.Join(repository, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m, err := findModule(repository)
		if err != nil {
			return
		}
		own, _ := FindSource()
		for _, folder := range m.folders {
			if folder != own && !isBelow(folder, repository) {
				t.Errorf("%s is open to the suite", folder)
			}
		}
	})
}
