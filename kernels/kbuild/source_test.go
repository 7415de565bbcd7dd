package kbuild

import (
	"context"
	"errors"
	"io/fs"
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

// TestSourceBounds: what no module holds is refused by name before it is read to its end, and a walk ends with its context.
func TestSourceBounds(t *testing.T) {
	deep := strings.Repeat("d/", maxDepth)
	for name, test := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"deep": {func(d string) error { return os.MkdirAll(filepath.Join(d, deep, "x"), 0o755) }, "folders more than 100 deep"},
		"sparse": {func(d string) error {
			return errors.Join(os.WriteFile(d+"/big", nil, 0o644), os.Truncate(d+"/big", 20<<30))
		}, "more than 4096 MiB"},
		"the control": {func(d string) error { return os.MkdirAll(filepath.Join(d, deep), 0o755) }, ""},
	} {
		dir := source(t, map[string]string{"Makefile": ""})
		if err := test.make(dir); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err := Source{Top: dir}.Digest(t.Context())
		_, copyErr := Source{Top: dir}.Copy(t.Context(), t.TempDir())
		for _, err := range []error{err, copyErr} {
			fault := (*SourceError)(nil)
			if test.want == "" && err != nil || test.want != "" && (!errors.As(err, &fault) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if time.Since(began) > 10*time.Second {
			t.Errorf("%s took %v", name, time.Since(began))
		}
	}
	var met bounds
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	met.entries = maxEntries - 1
	if first, second := met.add(root, "a", 0), met.add(root, "b", 0); first != nil || second == nil {
		t.Errorf("%v, %v", first, second)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := source(t, map[string]string{"Makefile": ""})
	_, digestErr := Source{Top: dir}.Digest(ctx)
	_, copyErr := Source{Top: dir}.Copy(ctx, t.TempDir())
	for _, err := range []error{digestErr, copyErr} {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// listed are the files and links below dir with their modes. All have the time of a build.
func listed(t *testing.T, dir string) (names []string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, _ := d.Info()
		names = append(names, strings.TrimPrefix(path, dir+"/")+" "+info.Mode().String())
		if d.Type() == 0 && info.ModTime().Unix() != Time {
			t.Errorf("%s has time %v", path, info.ModTime())
		}
		return nil
	})
	return names
}

func TestCopySource(t *testing.T) {
	dir := source(t, map[string]string{"a.c": "x", "run.sh": "y", "sub/deep/b.c": "z", "a.o": "", ".git/HEAD": "", "out/x": "", "sub/out/y": ""})
	os.Chmod(dir+"/run.sh", 0o711)
	latin := "d\xe9/f\xe9"
	if err := errors.Join(os.Mkdir(dir+"/d\xe9", 0o755), os.WriteFile(filepath.Join(dir, latin), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	os.Symlink("../a.c", dir+"/sub/l")
	os.Symlink("nowhere", dir+"/dangling")
	to := t.TempDir()
	if _, err := (Source{Top: dir, Exclude: []string{"out"}}).Copy(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	got := listed(t, to)
	want := []string{"a.c -rw-r--r--", "dangling Lrwxrwxrwx", latin + " -rw-r--r--", "run.sh -rwxr-xr-x", "sub/deep/b.c -rw-r--r--", "sub/l Lrwxrwxrwx", "sub/out/y -rw-r--r--"}
	if !slices.Equal(got, want) {
		t.Errorf("copied %q", got)
	}
	if digest(t, dir, "out") != digest(t, to) {
		t.Error("source and copy differ")
	}
}

func TestCheckSource(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string // "" means nothing is said; DIR stands for the folder
	}{
		"simple":          {map[string]string{"Makefile": "obj-m := a.o\n"}, ""},
		"config":          {map[string]string{"Kbuild": "obj-$(CONFIG_A) += a.o\n"}, ""},
		"guarded":         {map[string]string{"Makefile": "ifneq ($(KERNELRELEASE),)\n  obj-m+=a.o\nelse\nall:\n\tmake -C /x M=$$PWD\nendif\n"}, ""},
		"continued":       {map[string]string{"Makefile": "obj-m \\\n := a.o\n"}, ""},
		"include":         {map[string]string{"Makefile": "-include common.mk\n"}, ""},
		"eval":            {map[string]string{"Makefile": "$(eval $(call mod,a))\n"}, ""},
		"subdir":          {map[string]string{"Makefile": "subdir-m := a\n"}, ""},
		"none":            {map[string]string{"a.c": ""}, "DIR: no Makefile and no Kbuild: add one with a line like obj-m := NAME.o"},
		"wrong name":      {map[string]string{"GNUmakefile": "obj-m := a.o\n"}, "DIR: no Makefile and no Kbuild: add one with a line like obj-m := NAME.o"},
		"below":           {map[string]string{"a/drv/Kbuild": "obj-m := a.o\n", "README": ""}, "DIR: no Makefile and no Kbuild: did you mean DIR/a/drv?"},
		"user space":      {map[string]string{"Makefile": "all:\n\tcc a.c\n"}, "DIR/Makefile: declares no module: add a line like obj-m := NAME.o"},
		"comment":         {map[string]string{"Makefile": "# obj-m := a.o\nall: ; # obj-m\n"}, "DIR/Makefile: declares no module: add a line like obj-m := NAME.o"},
		"recursive":       {map[string]string{"Makefile": "all:\n\t$(MAKE) -C src\n", "src/Makefile": "obj-m := a.o\n"}, ""},
		"all by itself":   {map[string]string{"GNUmakefile": "all:\n\tcd src && make\n", "src/Makefile": "obj-m := a.o\n"}, ""},
		"recursive, none": {map[string]string{"Makefile": "all:\n\t$(MAKE) -C src\n", "src/Makefile": "all:\n\tcc a.c\n"}, "DIR/Makefile: declares no module: add a line like obj-m := NAME.o"},
		"beside":          {map[string]string{"Makefile": "all:\n\tcc a.c\n", "src/Makefile": "obj-m := a.o\n"}, "DIR/Makefile: declares no module: did you mean DIR/src?"},
		"Kbuild hides":    {map[string]string{"Kbuild": "ccflags-y := -g\n", "Makefile": "obj-m := a.o\n"}, "DIR/Kbuild: declares no module: add a line like obj-m := NAME.o"},
		"empty Makefile":  {map[string]string{"Makefile": ""}, "DIR/Makefile: declares no module: add a line like obj-m := NAME.o"},
	} {
		dir := source(t, test.files)
		err := CheckSource(dir)
		got := ""
		if err != nil {
			got = strings.ReplaceAll(err.Error(), dir, "DIR")
		}
		if fault := (*SourceError)(nil); got != test.want || err != nil && !errors.As(err, &fault) {
			t.Errorf("%s: %s", name, got)
		}
	}
	for dir, want := range map[string]string{"/nonexistent/x": "no such folder", "/etc/passwd": "not a folder"} {
		if err := CheckSource(dir); err == nil || !strings.HasPrefix(err.Error(), dir+": "+want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
