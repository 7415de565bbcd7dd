package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shapes are entries as the kinds have them: the file, and whether it lies where every use looks at its content.
var shapes = map[string]map[string]bool{
	"bases":     {"base.cpio": true},
	"builds":    {"0-drv.ko": true, "modules.json": true, "build.log": true},
	"cells":     {"record.json": true, "console.log": true},
	"images":    {"image.cpio": true},
	"roots":     {"root.json": true, "root/usr/bin/cc": false},
	"specs":     {"specs.json": true},
	"suites":    {"suite.test": true},
	"templates": {"state": true, "console.log": true, "template.json": true, "ram": false},
	"trees":     {"tree.json": true, "usr/src/linux/include/a.h": false},
}

// fillShape makes an entry of a kind; ram is a large file that is mostly a hole.
func fillShape(kind string) func(string) error {
	return func(dir string) error {
		for name := range shapes[kind] {
			path := filepath.Join(dir, name)
			err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, bytes.Repeat([]byte(name), 3000), 0o644))
			if name == "ram" {
				err = errors.Join(err, os.Truncate(path, 4*readMax))
			}
			if err != nil {
				return err
			}
		}
		return os.Symlink("nowhere", filepath.Join(dir, "link"))
	}
}

var damages = map[string]func(path string) error{
	"a flipped byte": func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, 5000); err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{b[0] ^ 0x10}, 5000)
		return err
	},
	"one byte less": func(path string) error {
		info, err := os.Stat(path)
		return errors.Join(err, os.Truncate(path, info.Size()-1))
	},
	"an empty file": func(path string) error { return os.Truncate(path, 0) },
	"no file":       os.Remove,
}

func TestDamageIsNoticed(t *testing.T) {
	for kind, files := range shapes {
		for file, onUse := range files {
			for what, damage := range damages {
				t.Run(kind+"/"+filepath.Base(file)+"/"+what, func(t *testing.T) {
					testDamage(t, kind, file, damage, onUse || what != "a flipped byte")
				})
			}
		}
	}
}

func testDamage(t *testing.T, kind, file string, damage func(string) error, onUse bool) {
	s := newStore(t)
	dir, _, err := s.Fill(t.Context(), kind, "x", fillShape(kind))
	if err != nil {
		t.Fatal(err)
	}
	if n, bad, err := s.Verify(t.Context(), nil); n != 1 || len(bad) != 0 || err != nil {
		t.Fatalf("whole: %d %v %v", n, bad, err)
	}
	if _, hit := s.Look(kind, "x"); !hit {
		t.Fatal("whole, and not found")
	}
	if err := damage(filepath.Join(dir, file)); err != nil {
		t.Fatal(err)
	}
	if _, hit := s.Look(kind, "x"); hit == onUse {
		t.Errorf("found on use: %v", hit)
	}
	n, bad, err := s.Verify(t.Context(), nil)
	if err != nil || n != 1 || len(bad) != 1 || !strings.Contains(bad[0].What, file) || bad[0].Kept != "" {
		t.Fatalf("damaged: %d %+v %v", n, bad, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was not discarded")
	}
	if _, hit, err := s.Fill(t.Context(), kind, "x", fillShape(kind)); hit || err != nil {
		t.Errorf("hit=%v %v", hit, err)
	}
	if n, bad, err := s.Verify(t.Context(), nil); n != 1 || len(bad) != 0 || err != nil {
		t.Errorf("made anew: %d %v %v", n, bad, err)
	}
	noTemps(t, s)
}

// TestNotesOfAnEntryCannotLie damages every byte of a manifest, and what only Verify reads.
func TestNotesOfAnEntryCannotLie(t *testing.T) {
	s := newStore(t)
	dir, _, err := s.Fill(t.Context(), "builds", "x", fillShape("builds"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, manifestFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		write(t, path, string(bad))
		if _, hit := s.Look("builds", "x"); hit && i < len(good)-1 { // the last one ends the line
			t.Errorf("byte %d: %q is believed", i, bad)
		}
		write(t, path, string(good[:i]))
		if _, hit := s.Look("builds", "x"); hit && i < len(good)-1 {
			t.Errorf("the first %d bytes are believed", i)
		}
	}
	write(t, path, string(good))
	for name, do := range map[string]func() error{
		"stock":   func() error { return damages["one byte less"](filepath.Join(dir, stockFile)) },
		"missing": func() error { return os.Remove(path) },
		"newcomer": func() error {
			return os.WriteFile(filepath.Join(dir, "stranger.ko"), nil, 0o644)
		},
		"link": func() error {
			link := filepath.Join(dir, "link")
			return errors.Join(os.Remove(link), os.Symlink("elsewher", link))
		},
	} {
		if dir, _, err = s.Fill(t.Context(), "builds", "x", fillShape("builds")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Fill(t.Context(), "builds", "well", fillShape("builds")); err != nil {
			t.Fatal(err)
		}
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if n, bad, err := s.Verify(t.Context(), nil); n != 2 || len(bad) != 1 || bad[0].ID != "x" || bad[0].Kept != "" || err != nil {
			t.Errorf("%s: %d %+v %v", name, n, bad, err)
		}
	}
}

// TestVerifyLeavesALivingRunAlone: a build must not lose the tree under its feet.
func TestVerifyLeavesALivingRunAlone(t *testing.T) {
	s := newStore(t)
	_, release, err := s.WorkDir()
	if err != nil {
		t.Fatal(err)
	}
	dir, _, err := s.Fill(t.Context(), "trees", "x", fillShape("trees"))
	if err != nil {
		t.Fatal(err)
	}
	if err := damages["a flipped byte"](filepath.Join(dir, "usr/src/linux/include/a.h")); err != nil {
		t.Fatal(err)
	}
	_, bad, err := s.Verify(t.Context(), nil)
	if len(bad) != 1 || !strings.Contains(bad[0].Kept, "a run uses it") || err != nil {
		t.Errorf("%+v %v", bad, err)
	}
	release()
	if _, bad, err := s.Verify(t.Context(), nil); len(bad) != 1 || bad[0].Kept != "" || err != nil {
		t.Errorf("%+v %v", bad, err)
	}
}

// TestASparseFileIsTheSameWhenItsHolesAreFilled: a copy may fill them, and file systems round them.
func TestASparseFileIsTheSameWhenItsHolesAreFilled(t *testing.T) {
	dir := t.TempDir()
	holes, full := filepath.Join(dir, "holes"), filepath.Join(dir, "full")
	content := make([]byte, 2*readMax+123)
	f, err := os.Create(holes)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, pos := range []int{0, 4095, 70000, readMax, len(content) - 1} {
		content[pos] = 'x'
		if _, err := f.WriteAt([]byte{'x'}, int64(pos)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, full, string(content))
	a, sizeA, errA := sumFile(holes)
	b, sizeB, errB := sumFile(full)
	if a != b || sizeA != sizeB || errors.Join(errA, errB) != nil {
		t.Errorf("%s %d %v, and %s %d %v", a, sizeA, errA, b, sizeB, errB)
	}
	content[4095], content[4096] = 0, 'x'
	write(t, full, string(content))
	if c, _, _ := sumFile(full); c == a {
		t.Error("a byte on another page has the same checksum")
	}
}

func BenchmarkHit(b *testing.B) {
	fill := func(files, bytes int, sub string) func(string) error {
		return func(dir string) error {
			data := []byte(strings.Repeat("x", bytes))
			for i := range files {
				path := filepath.Join(dir, fmt.Sprintf("%s%d/f%d", sub, i%100, i))
				if sub == "" {
					path = filepath.Join(dir, fmt.Sprint("f", i))
				}
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for _, e := range []struct {
		name string
		fill func(string) error
	}{
		{"tree of 20000 files", fill(20000, 1000, "src/")},
		{"build of 3 files and 1 MB", fill(3, 350<<10, "")},
		{"suite of 11 MB", fill(1, 11<<20, "")},
	} {
		b.Run(e.name, func(b *testing.B) {
			s, err := Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				if _, hit, err := s.Fill(b.Context(), "x", "x", e.fill); err != nil || hit == (i == 0) {
					b.Fatal(hit, err)
				}
				if i == 0 {
					b.ResetTimer()
				}
			}
		})
	}
}
