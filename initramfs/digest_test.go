package initramfs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

// aged waits until what was written just now is as old as keep wants it: the time of a change cannot be set.
func aged(t *testing.T) {
	t.Helper()
	time.Sleep(settled + 50*time.Millisecond)
}

// A digest that was found is found again without go, as long as nothing changes that it depends on: content, names, what says which
// modules there are, go and its architecture.
func TestDigestIsRemembered(t *testing.T) {
	slowtest.Skip(t)
	settled = 100 * time.Millisecond
	t.Cleanup(func() { settled = 2 * time.Second })
	dir := writeSuite(t, map[string]string{"go.mod": "module x\n\ngo 1.26\n", "x_test.go": "package x\n\nimport (\n\t\"testing\"\n\n\t_ \"x/in/y\"\n)\n\nfunc TestX(t *testing.T) {}\n"})
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("in/y/y.go", "package y\n\nconst Y = 1\n")
	s := Suites{Cache: t.TempDir(), Offline: true}
	digest := func() string {
		t.Helper()
		got, err := s.Digest(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	notes := func() []string {
		found, _ := filepath.Glob(filepath.Join(s.Cache, "*", "digests", "*.json"))
		return found
	}
	if digest(); len(notes()) != 0 {
		t.Fatal("noted, of files that were written just now")
	}
	for _, change := range []struct {
		name string
		make func()
		same bool // it has no part in the digest
	}{
		{"a file in a folder that it imports, as long as before and with its old time", func() {
			path := filepath.Join(dir, "in/y/y.go")
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			write("in/y/y.go", "package y\n\nconst Y = 2\n")
			if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"a file more", func() { write("in/y/z.go", "package y\n\nconst Z = 1\n") }, false},
		{"a file for another architecture", func() { write("in/y/z_mips.go", "package y\n\nconst M = 1\n") }, true},
		{"a file less", func() { os.Remove(filepath.Join(dir, "in/y/z.go")) }, false},
		{"go.mod", func() { write("go.mod", "module x\n\ngo 1.26 // as ever\n") }, true},
	} {
		aged(t)
		before := digest()
		if len(notes()) != 1 {
			t.Fatalf("%s: before it, %d notes", change.name, len(notes()))
		}
		text, err := json.Marshal(forge(t, notes()[0]))
		if err == nil {
			err = os.WriteFile(notes()[0], text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := digest(); got != forged {
			t.Errorf("%s: before it, go was asked again: %s", change.name, got)
		}
		change.make()
		if got := digest(); got == forged || (got == before) != change.same {
			t.Errorf("%s: %s, before it %s", change.name, got, before)
		}
	}
	aged(t)
	digest()
	write("in/go.mod", "module other\n\ngo 1.26\n")
	if got, err := s.Digest(t.Context(), dir); err == nil {
		t.Errorf("what it imports became another module's, and its digest is still %s", got)
	}
}

// forge returns the note in a file with another digest.
func forge(t *testing.T, path string) (n noted) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	n.Digest = forged
	return n
}

const forged = "sha256:forged"

// What embeds whole folders is not noted: a file may appear anywhere below them.
func TestDigestOfEmbeddedFolders(t *testing.T) {
	slowtest.Skip(t)
	dir := writeSuite(t, map[string]string{"go.mod": "module x\n\ngo 1.26\n",
		"x_test.go": "package x\n\nimport (\n\t\"embed\"\n\t\"testing\"\n)\n\n//go:embed data\nvar Data embed.FS\n\nfunc TestX(t *testing.T) {}\n"})
	if err := os.MkdirAll(filepath.Join(dir, "data/deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data/a"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := Suites{Cache: t.TempDir(), Offline: true}
	aged(t)
	before, err := s.Digest(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data/deep/b"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if after, err := s.Digest(t.Context(), dir); err != nil || after == before {
		t.Errorf("%s as before, %v", after, err)
	}
}
