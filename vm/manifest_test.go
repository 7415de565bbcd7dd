package vm

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The checksum of a memory depends on what is in it and where, not on how much of it the file system keeps as holes.
func TestSumSparse(t *testing.T) {
	const size = 8 << 20
	dir := t.TempDir()
	make := func(name string, fill func(f *os.File) error) part {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := errors.Join(f.Truncate(size), fill(f)); err != nil {
			t.Fatal(err)
		}
		p, err := sumSparse(f.Name())
		if err != nil || p.Size != size {
			t.Fatalf("%s: got %+v, %v", name, p, err)
		}
		return p
	}
	put := func(f *os.File, text string, at int64) error {
		_, err := f.WriteAt([]byte(text), at)
		return err
	}
	sums := map[uint32]string{}
	for name, fill := range map[string]func(f *os.File) error{
		"hole":        func(f *os.File) error { return nil },
		"first byte":  func(f *os.File) error { return put(f, "a", 0) },
		"other byte":  func(f *os.File) error { return put(f, "b", 0) },
		"other place": func(f *os.File) error { return put(f, "a", 1<<20) },
		"last byte":   func(f *os.File) error { return put(f, "a", size-1) },
		"two":         func(f *os.File) error { return errors.Join(put(f, "a", 0), put(f, "a", 4<<20)) },
	} {
		p := make(name, fill)
		if other, ok := sums[p.CRC32]; ok {
			t.Errorf("%s has the checksum of %s", name, other)
		}
		sums[p.CRC32] = name
		whole := make(name+" without holes", func(f *os.File) error {
			_, err := f.Write(bytesOf(t, filepath.Join(dir, name)))
			return err
		})
		if whole != p {
			t.Errorf("%s: %+v with holes, %+v without", name, p, whole)
		}
	}
	if _, err := sumSparse(filepath.Join(dir, "none")); err == nil {
		t.Error("no file has a checksum")
	}
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever stands in a manifest, the folder is taken for a template only if its files are what the manifest says.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schema":"modmatrix.template/v1","key":"k","ram":{"size":0,"crc32c":0},"state":{"size":5,"crc32c":2591144157}}`))
	f.Add([]byte(`{"schema":"modmatrix.template/v1","ram":{"size":-1},"state":{"size":99999999999}}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{templateManifest: text, templateState: []byte("state"), templateRAM: nil} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var sum summer
		sum.Write([]byte("state"))
		m, err := readManifest(dir)
		if err := VerifyTemplate(dir); err != nil && !errors.Is(err, ErrTemplate) || err == nil && m.State != sum.part {
			t.Errorf("got %v of %+v", err, m)
		}
		if err != nil && !errors.Is(err, ErrTemplate) {
			t.Error(err)
		}
	})
}
