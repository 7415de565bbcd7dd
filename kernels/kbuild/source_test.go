package kbuild

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

func digest(t *testing.T, dir string, exclude ...string) string {
	t.Helper()
	d, err := Source{Top: dir, Exclude: exclude}.Digest(t.Context())
	if err != nil || !strings.HasPrefix(d, "sha256:") || len(d) != 71 {
		t.Fatalf("digest %s, %v", d, err)
	}
	return d
}

// TestSourceDigest: what a build cannot see does not count, and everything it can see does.
func TestSourceDigest(t *testing.T) {
	files := map[string]string{"Makefile": "obj-m := a.o\n", "a.c": "int a;\n", "sub/b.h": "", "blob.o_shipped": "x"}
	want := digest(t, source(t, files))
	put := func(name, text string) func(string) {
		return func(dir string) {
			os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	do := func(f func(string) error) func(string) {
		return func(dir string) {
			if err := f(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		change func(string)
		same   bool
	}{
		"nothing":      {func(string) {}, true},
		"time":         {do(func(d string) error { return os.Chtimes(d+"/a.c", time.Unix(1, 0), time.Unix(1, 0)) }), true},
		"group bits":   {do(func(d string) error { return os.Chmod(d+"/a.c", 0o600) }), true},
		"empty folder": {do(func(d string) error { return os.Mkdir(d+"/new", 0o755) }), true},
		"excluded":     {put("out/x", "x"), true},
		".git":         {put(".git/HEAD", "x"), true},
		".git file":    {put("sub/.git", "gitdir: x"), true},
		"object":       {put("a.o", "x"), true},
		"module":       {put("sub/a.ko", "x"), true},
		"mod":          {put("a.mod", "x"), true},
		"mod.c":        {put("a.mod.c", "x"), true},
		"cmd":          {put(".a.o.cmd", "x"), true},
		"symvers":      {put("Module.symvers", "x"), true},
		"order":        {put("modules.order", "x"), true},
		"versions":     {put(".tmp_versions/a.mod", "x"), true},

		"content":       {put("a.c", "int b;\n"), false},
		"shipped":       {put("blob.o_shipped", "y"), false},
		"new file":      {put("new", ""), false},
		"out elsewhere": {put("sub/out/x", "x"), false},
		"exec":          {do(func(d string) error { return os.Chmod(d+"/a.c", 0o755) }), false},
		"renamed":       {do(func(d string) error { return os.Rename(d+"/sub/b.h", d+"/sub/c.h") }), false},
		"gone":          {do(func(d string) error { return os.Remove(d + "/sub/b.h") }), false},
		"link":          {do(func(d string) error { return os.Symlink("a.c", d+"/l.c") }), false},
	} {
		dir := source(t, files)
		test.change(dir)
		if got := digest(t, dir, "out"); (got == want) != test.same {
			t.Errorf("%s: same digest is %v", name, got == want)
		}
	}
	link := func(target string) string {
		dir := source(t, files)
		os.Symlink(target, dir+"/l")
		return digest(t, dir)
	}
	if link("a.c") == link("sub/b.h") {
		t.Error("a link's target does not count")
	}
}

// TestStrays: what cannot be part of a copy is left out by name, and changes no digest.
func TestStrays(t *testing.T) {
	for name, test := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"absolute": {func(d string) error { return os.Symlink("/etc/passwd", d+"/l") }, "l, a link to /etc/passwd, which is outside the source"},
		"upwards":  {func(d string) error { return os.Symlink("../../x", d+"/sub/l") }, "sub/l, a link to ../../x, which is outside the source"},
		"detour":   {func(d string) error { return os.Symlink("a/../../sub", d+"/l") }, "l, a link to a/../../sub, which is outside the source"},
		"fifo":     {func(d string) error { return syscall.Mkfifo(d+"/p", 0o644) }, "p, neither a file, nor a folder, nor a link"},
		"more": {func(d string) error {
			return errors.Join(os.Symlink("/a", d+"/a"), os.Symlink("/b", d+"/b"))
		}, "a, a link to /a, which is outside the source, and 1 more"},
	} {
		dir, to := source(t, map[string]string{"Makefile": "", "sub/x": ""}), t.TempDir()
		before := digest(t, dir)
		if err := test.make(dir); err != nil {
			t.Fatal(err)
		}
		if digest(t, dir) != before {
			t.Errorf("%s changes the digest", name)
		}
		strays, err := Source{Top: dir}.Copy(t.Context(), to)
		if note := StraysNote(strays); err != nil || !slices.Equal(note, []string{"left out of the copy: " + test.want}) {
			t.Errorf("%s: %q, %v", name, note, err)
		}
		if got := listed(t, to); !slices.Equal(got, []string{"Makefile -rw-r--r--", "sub/x -rw-r--r--"}) {
			t.Errorf("%s: copied %q", name, got)
		}
	}
}

// TestMissed: a stray that a build reads is named; where it is there for its author, the module is not at fault.
func TestMissed(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there.c")
	if err := os.WriteFile(there, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	strays := []Stray{{path: "needl.c", target: "../gone/needl.c"}, {path: "there.c", target: there}, {path: "linux", target: "/usr"}, {path: "pipe.h"}}
	for reason, want := range map[string]string{
		"No rule to make target 'needl.o', needed by 'x'":     "build-error: needl.c is a link to ../gone/needl.c, which is outside the source: No rule to make target 'needl.o', needed by 'x'",
		"x.c:1:10: fatal error: pipe.h: No such file":         "build-error: pipe.h is neither a file, nor a folder, nor a link: x.c:1:10: fatal error: pipe.h: No such file",
		"cc1: fatal error: there.c: No such file":             "the build reads there.c, a link to " + there + ", which is outside the source and was not copied: replace it by what it points to",
		"x.c:1:10: fatal error: linux/gone.h: No such file":   "build-error: x.c:1:10: fatal error: linux/gone.h: No such file",
		"x.c:3:2: error: 'needl' undeclared; there.cc is not": "build-error: x.c:3:2: error: 'needl' undeclared; there.cc is not",
	} {
		if err := missed(&Error{Code: results.CodeBuildError, Reason: reason}, strays, t.TempDir()); err.Error() != want {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if err := missed(context.Canceled, strays, ""); err != context.Canceled {
		t.Error(err)
	}
}

// TestObjects: an object that nothing in its folder makes is a vendor's, and whatever is under version control is source.
func TestObjects(t *testing.T) {
	files := map[string]string{
		"Makefile": "", "main.c": "", "main.o": "", "asm.S": "", "asm.o": "", "rusty.rs": "", "rusty.o": "", "unpacked.o_shipped": "", "unpacked.o": "",
		"whole.ko": "", "whole.o": "", ".moved.o.cmd": "savedcmd_moved.o := gcc -c -o moved.o ../moved.c\n", "moved.o": "",
		"blob.o": "", ".blob.o.cmd": "", "lone.o": "", ".gone.o.cmd": "", "lib.a": "", "built-in.a": "", "sub/.built-in.a.cmd": "cmd_sub/built-in.a := ar\n", "sub/built-in.a": "",
		"whole.mod.o": "", "whole.mod.c": "", "tracked.c": "", "tracked.o": "", "tracked.ko": "", "Module.symvers": "", "notes.cmd": "",
	}
	s := Source{Top: source(t, files), Tracked: map[string]bool{"tracked.o": true, "tracked.ko": true, "Module.symvers": true}}
	root, err := os.OpenRoot(s.Top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var got []string
	if _, err := s.walk(t.Context(), root, func(e entry) error { got = append(got, e.path); return nil }); err != nil {
		t.Fatal(err)
	}
	want := []string{".blob.o.cmd", "Makefile", "Module.symvers", "asm.S", "blob.o", "built-in.a", "lib.a", "lone.o", "main.c", "rusty.rs",
		"tracked.c", "tracked.ko", "tracked.o", "unpacked.o_shipped"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestParts: what is copied of a folder that holds more than the module, and at which places.
func TestParts(t *testing.T) {
	s := Source{Top: source(t, map[string]string{
		"drv/Makefile": "", "drv/suites/x": "", "drv/doc/suites/y": "", "drv/big.bin": "", "drv/sub/big.bin": "", "drv/doc/a.pdf": "", "common/x.c": "", "common/modmatrix-out/z": "",
		"config.mk": "", "README": "", "other/secret": "", "lib/a/a.h": "", "lib/a/deep/b.h": "", "lib/c.h": "",
	}), Folder: "drv", Parts: []string{"drv", "common", "config.mk", "lib/a/*"}, Exclude: []string{"suites", "modmatrix-out"}, Omit: []string{"*.bin", "doc/*.pdf"},
		Files: map[string]string{"base/Module.symvers": filepath.Join(source(t, map[string]string{"s": "x"}), "s")}}
	for link, target := range map[string]string{"drv/in.c": "../common/x.c", "drv/abs.c": s.Top + "/common/x.c", "drv/out": "../other/secret", "common/dir": "../drv"} {
		if err := os.Symlink(target, filepath.Join(s.Top, link)); err != nil {
			t.Fatal(err)
		}
	}
	to := t.TempDir()
	strays, err := s.Copy(t.Context(), to)
	if err != nil || len(strays) != 1 || strays[0].path != "drv/out" {
		t.Errorf("%v, %v", strays, err)
	}
	const file, link = " -rw-r--r--", " Lrwxrwxrwx"
	want := []string{"base/Module.symvers" + file, "common/dir" + link, "common/modmatrix-out/z" + file, "common/x.c" + file, "config.mk" + file,
		"drv/Makefile" + file, "drv/abs.c" + link, "drv/doc/suites/y" + file, "drv/in.c" + link, "lib/a/a.h" + file}
	if got := listed(t, to); !slices.Equal(got, want) {
		t.Errorf("copied %q", got)
	}
	if target, _ := os.Readlink(to + "/drv/abs.c"); target != "../common/x.c" {
		t.Errorf("an absolute link leads to %s", target)
	}
}
