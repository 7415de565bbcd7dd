package dkms

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// TestOpenHostile: an archive reaches nothing outside its folder, and is refused in one line.
func TestOpenHostile(t *testing.T) {
	outside := t.TempDir()
	for name, test := range map[string]struct {
		members []member
		want    string
	}{
		"absolute":       {[]member{{name: "/etc/x", text: "x"}}, `holds "/etc/x", an absolute name`},
		"up":             {[]member{{name: "a/../../x", text: "x"}}, `holds "a/../../x", a name that leads out of it`},
		"hard link out":  {[]member{{name: "l", kind: tar.TypeLink, link: "../x"}}, `holds "l", a link to ../x, which is outside of it`},
		"file as folder": {[]member{{name: "a", text: "x"}, {name: "a/b", text: "x"}}, `holds "a/b", which cannot be there: file exists`},
		"folder as file": {[]member{{name: "a/b", text: "x"}, {name: "a", text: "x"}}, `holds "a", which cannot be there: directory not empty`},
		"escape":         {[]member{{name: "/\x1b]0;x\a\n", text: "x"}}, `holds "/", an absolute name`},
	} {
		given := file(t, "m.tar", archive(t, test.members...))
		_, err := Open(t.Context(), given, t.TempDir())
		var wrong *kbuild.SourceError
		if !errors.As(err, &wrong) || wrong.Problem != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("it wrote outside: %v", left)
	}
}

// Half an archive is the fault of whoever gave it, and not of this machine.
func TestOpenTorn(t *testing.T) {
	whole := archive(t, member{name: "m/Kbuild", text: "obj-m := m.o"}, member{name: "m/m.c", text: strings.Repeat("x", 4000)})
	_, err := Open(t.Context(), file(t, "m.tar", whole[:3000]), t.TempDir())
	var wrong *kbuild.SourceError
	if !errors.As(err, &wrong) || wrong.Problem != `breaks off or is damaged in "m/m.c": unexpected EOF` {
		t.Errorf("error is %v", err)
	}
}

func TestOpenBomb(t *testing.T) {
	defer func(was int64) { maxBytes = was }(maxBytes)
	maxBytes = 4 << 20
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "big", Size: maxBytes + 1, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range maxBytes >> 20 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	if _, err := Open(t.Context(), file(t, "m.tar.zst", out.Bytes()), t.TempDir()); err == nil || !strings.Contains(err.Error(), "unpacks to more than 4 MiB") {
		t.Errorf("error is %v", err)
	}
}

// TestOpenManyFolders: folders that no entry names are counted, and no path is deep.
func TestOpenManyFolders(t *testing.T) {
	defer func(was int) { maxFiles = was }(maxFiles)
	maxFiles = 500
	var many []member
	for i := range maxFiles/(maxNested-1) + 2 {
		many = append(many, member{name: fmt.Sprintf("%d/%s/x", i, strings.Repeat("d/", maxNested-2))})
	}
	for want, members := range map[string][]member{
		"files and folders":            many,
		"more than 100 folders deep":   {{name: strings.Repeat("d/", 3000) + "x"}},
		"more than 100 folders deep: ": {{name: strings.Repeat("d/", maxNested+1), kind: tar.TypeDir}},
	} {
		began := time.Now()
		_, err := Open(t.Context(), file(t, "m.tar", archive(t, members...)), t.TempDir())
		if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, ": ")) || time.Since(began) > 30*time.Second {
			t.Errorf("%s: %v after %v", want, err, time.Since(began))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, file(t, "m.tar", archive(t, module...)), t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// FuzzUnpack: an archive makes files in its folder, or an error; nothing else.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, module...))
	f.Add(archive(f, member{name: "a/../../x"}, member{name: "l", kind: tar.TypeSymlink, link: ".."}, member{name: "l/x"}))
	f.Add(zipped(f, member{name: "a/b", text: "x"}, member{name: "l", kind: tar.TypeSymlink, link: ".."}, member{name: "l/x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		in, given := filepath.Join(dir, "in"), filepath.Join(dir, "given")
		if err := errors.Join(os.Mkdir(in, 0o755), os.WriteFile(given, data, 0o644)); err != nil {
			t.Fatal(err)
		}
		notes, err := unpackArchive(t.Context(), given, in)
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") || strings.ContainsAny(strings.Join(notes, ""), "\n\x1b") {
			t.Errorf("%q, %q", err, notes)
		}
		if left, _ := os.ReadDir(dir); len(left) != 2 {
			t.Errorf("it wrote outside: %v", left)
		}
	})
}
