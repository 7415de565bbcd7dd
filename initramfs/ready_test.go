package initramfs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readyFile makes a file with that content.
func readyFile(t *testing.T, suite, content string) Ready {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return Ready{Suite: suite, Arch: "x86_64", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(content))), Size: int64(len(content)), Path: path}
}

func TestReadyIsHeldToItsDigest(t *testing.T) {
	good := readyFile(t, "", "an image")
	other, short, long, gone := good, good, good, good
	other.Path, short.Size, long.Size, gone.Path = readyFile(t, "", "an imagf").Path, 7, 9, "/nowhere"
	for name, c := range map[string]struct {
		r    Ready
		want string
	}{
		"good": {good, ""}, "other content": {other, "guest image for x86_64 is not the file"}, "shorter": {short, "is not the file"},
		"longer": {long, "is not the file"}, "gone": {gone, "open guest image for x86_64: open /nowhere"},
	} {
		out := filepath.Join(t.TempDir(), "out")
		err := c.r.Write(out)
		text, missing := os.ReadFile(out)
		if c.want == "" {
			if err != nil || string(text) != "an image" {
				t.Errorf("%s: %q, %v", name, text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !os.IsNotExist(missing) {
			t.Errorf("%s: %v, and the file: %v", name, err, missing)
		}
	}
}

func TestReadyNamesNothingElse(t *testing.T) {
	if err := readyFile(t, "fifo", "x").Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Ready){
		"a suite that leads out": func(r *Ready) { r.Suite = "../x" }, "a hidden suite": func(r *Ready) { r.Suite = ".x" },
		"no architecture": func(r *Ready) { r.Arch = "" }, "an architecture that leads out": func(r *Ready) { r.Arch = "../x" },
		"no digest": func(r *Ready) { r.SHA256 = "" }, "a digest that leads out": func(r *Ready) { r.SHA256 = "../../" + r.SHA256[6:] },
		"a negative size": func(r *Ready) { r.Size = -1 }, "a huge size": func(r *Ready) { r.Size = 1 << 40 },
	} {
		r := readyFile(t, "fifo", "x")
		spoil(&r)
		if r.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// What Carry writes is what a release finds in itself; twice, it is the same to the byte.
func TestCarry(t *testing.T) {
	files := []Ready{readyFile(t, "", strings.Repeat("an image ", 1000)), readyFile(t, "lifecycle", "a suite")}
	dir, again := filepath.Join(t.TempDir(), "carried"), filepath.Join(t.TempDir(), "carried")
	for _, d := range []string{dir, again, again} {
		if err := Carry(d, files); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		one, err1 := os.ReadFile(filepath.Join(dir, e.Name()))
		two, err2 := os.ReadFile(filepath.Join(again, e.Name()))
		if err1 != nil || err2 != nil || !bytes.Equal(one, two) || bytes.Contains(one, []byte(filepath.Dir(files[0].Path))) {
			t.Errorf("%s differs, or names a folder of this machine: %v, %v", e.Name(), err1, err2)
		}
	}
	list, err := carriedIn(os.DirFS(dir))
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	for i, r := range list {
		out := filepath.Join(t.TempDir(), "out")
		if err := r.Write(out); err != nil {
			t.Fatal(err)
		}
		want, _ := os.ReadFile(files[i].Path)
		if got, _ := os.ReadFile(out); !bytes.Equal(got, want) || r.Suite != files[i].Suite {
			t.Errorf("%s: %d bytes, not %d", r.What(), len(got), len(want))
		}
	}
}

// A binary that is no release carries nothing, and one whose list is broken says so.
func TestCarried(t *testing.T) {
	if list, err := Carried(); len(list) > 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, manifestName), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := carriedIn(os.DirFS(dir)); err == nil {
		t.Error("a broken list is taken")
	}
}
