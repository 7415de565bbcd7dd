package vm

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestParseUser(t *testing.T) {
	for text, want := range map[string]*user{
		"": {65534, 65534}, "0": {0, 0}, "107": {107, 107}, "107:36": {107, 36},
		"nobody": nil, "107:": nil, "-1": nil, "1:2:3": nil, "4294967295": nil,
	} {
		if got, err := parseUser(text); !reflect.DeepEqual(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestMapped(t *testing.T) {
	const all, one, two = "         0          0 4294967295\n", "0 1000 1\n", "0 1000 1\n1 100000 65536\n"
	for table, want := range map[string]bool{all: true, one: false, two: true, "": false, "x": false} {
		if got := mapped(table, nobody); got != want {
			t.Errorf("%q: %t", table, got)
		}
	}
}

// QEMU gets a copy of a file that only we may read, and any other as it is.
func TestInherited(t *testing.T) {
	dir := t.TempDir()
	m := &Machine{Kernel: filepath.Join(dir, "hidden"), Initrd: filepath.Join(dir, "open"), Drive: filepath.Join(dir, "drive,1")}
	for path, mode := range map[string]os.FileMode{m.Kernel: 0o600, m.Initrd: 0o604, m.Drive: 0o600} {
		if err := os.WriteFile(path, []byte(filepath.Base(path)), mode); err != nil {
			t.Fatal(err)
		}
	}
	in := &inherited{user: &user{nobody, nobody}, next: 7}
	own, _, err := in.open(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if own.Kernel != "/proc/self/fd/7" || own.Initrd != "/proc/self/fd/8" || own.Drive != "/dev/fdset/9" || len(in.files) != 3 {
		t.Errorf("got %+v in %d files", own, len(in.files))
	}
	for i, want := range []string{"hidden", "open", "drive,1"} {
		text := make([]byte, 100)
		n, _ := in.files[i].ReadAt(text, 0)
		if got := string(text[:n]); got != want {
			t.Errorf("file %d is %q", i, got)
		}
		if want := i != 2; in.user.mayRead(in.files[i]) != want {
			t.Errorf("QEMU may read file %d: %t", i, !want)
		}
		in.files[i].Close()
	}
	m.Kernel = filepath.Join(dir, "none")
	if _, _, err := (&inherited{user: in.user}).open(m, nil); !os.IsNotExist(errors.Unwrap(err)) {
		t.Errorf("got %v", err)
	}
}

func TestMayUse(t *testing.T) {
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o660: true, 0o666: true, 0o606: true} {
		path := filepath.Join(t.TempDir(), "kvm")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Chmod(mode); err != nil {
			t.Fatal(err)
		}
		if got := (&user{nobody, nobody}).mayUse(f); got != want {
			t.Errorf("%o: %t", mode, got)
		}
	}
}
