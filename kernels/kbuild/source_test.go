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
)

func digest(t *testing.T, dir string, exclude ...string) string {
	t.Helper()
	d, err := SourceDigest(t.Context(), dir, exclude)
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

func TestSourceRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"absolute": {func(d string) error { return os.Symlink("/etc/passwd", d+"/l") }, "/l: a link to /etc/passwd, which is outside the source"},
		"upwards":  {func(d string) error { return os.Symlink("../../x", d+"/sub/l") }, "/sub/l: a link to ../../x, which is outside the source"},
		"detour":   {func(d string) error { return os.Symlink("a/../../sub", d+"/l") }, "/l: a link to a/../../sub, which is outside"},
		"fifo":     {func(d string) error { return syscall.Mkfifo(d+"/p", 0o644) }, "/p: neither a file, nor a folder, nor a link"},
	} {
		dir := source(t, map[string]string{"Makefile": "", "sub/x": ""})
		if err := test.make(dir); err != nil {
			t.Fatal(err)
		}
		_, err := SourceDigest(t.Context(), dir, nil)
		copyErr := copySource(t.Context(), dir, t.TempDir(), nil, false)
		for _, err := range []error{err, copyErr} {
			if fault := (*SourceError)(nil); !errors.As(err, &fault) || !strings.Contains(err.Error(), dir+test.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
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
		_, err := SourceDigest(t.Context(), dir, nil)
		copyErr := copySource(t.Context(), dir, t.TempDir(), nil, false)
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
	_, digestErr := SourceDigest(ctx, dir, nil)
	for _, err := range []error{digestErr, copySource(ctx, dir, t.TempDir(), nil, false)} {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// TestStrayLinks: a package's links to elsewhere are copied as links, and are part of its digest.
func TestStrayLinks(t *testing.T) {
	dir, to := source(t, map[string]string{"Makefile": ""}), t.TempDir()
	before, err := PackageDigest(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	os.Symlink("../../share/doc/x", dir+"/README")
	after, err := PackageDigest(t.Context(), dir, nil)
	if err != nil || after == before {
		t.Errorf("%s, %v", after, err)
	}
	if err := copySource(t.Context(), dir, to, nil, true); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(to + "/README"); target != "../../share/doc/x" {
		t.Errorf("%s, %v", target, err)
	}
}

func TestCopySource(t *testing.T) {
	dir := source(t, map[string]string{"a.c": "x", "run.sh": "y", "sub/deep/b.c": "z", "a.o": "", ".git/HEAD": "", "out/x": "", "sub/out/y": ""})
	os.Chmod(dir+"/run.sh", 0o711)
	os.Symlink("../a.c", dir+"/sub/l")
	os.Symlink("nowhere", dir+"/dangling")
	to := t.TempDir()
	if err := copySource(t.Context(), dir, to, []string{"out"}, false); err != nil {
		t.Fatal(err)
	}
	var got []string
	filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, _ := d.Info()
		got = append(got, strings.TrimPrefix(path, to+"/")+" "+info.Mode().String())
		if d.Type() == 0 && info.ModTime().Unix() != buildTime {
			t.Errorf("%s has time %v", path, info.ModTime())
		}
		return nil
	})
	want := []string{"a.c -rw-r--r--", "dangling Lrwxrwxrwx", "run.sh -rwxr-xr-x", "sub/deep/b.c -rw-r--r--", "sub/l Lrwxrwxrwx", "sub/out/y -rw-r--r--"}
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
		"simple":         {map[string]string{"Makefile": "obj-m := a.o\n"}, ""},
		"config":         {map[string]string{"Kbuild": "obj-$(CONFIG_A) += a.o\n"}, ""},
		"guarded":        {map[string]string{"Makefile": "ifneq ($(KERNELRELEASE),)\n  obj-m+=a.o\nelse\nall:\n\tmake -C /x M=$$PWD\nendif\n"}, ""},
		"continued":      {map[string]string{"Makefile": "obj-m \\\n := a.o\n"}, ""},
		"include":        {map[string]string{"Makefile": "-include common.mk\n"}, ""},
		"eval":           {map[string]string{"Makefile": "$(eval $(call mod,a))\n"}, ""},
		"subdir":         {map[string]string{"Makefile": "subdir-m := a\n"}, ""},
		"none":           {map[string]string{"a.c": ""}, "DIR: no Makefile and no Kbuild: add one with a line like obj-m := NAME.o"},
		"wrong name":     {map[string]string{"GNUmakefile": "obj-m := a.o\n"}, "DIR: no Makefile and no Kbuild: add one with a line like obj-m := NAME.o"},
		"below":          {map[string]string{"a/drv/Kbuild": "obj-m := a.o\n", "README": ""}, "DIR: no Makefile and no Kbuild: did you mean DIR/a/drv?"},
		"user space":     {map[string]string{"Makefile": "all:\n\tcc a.c\n"}, "DIR/Makefile: declares no module: add a line like obj-m := NAME.o"},
		"comment":        {map[string]string{"Makefile": "# obj-m := a.o\nall: ; # obj-m\n"}, "DIR/Makefile: declares no module: add a line like obj-m := NAME.o"},
		"recursive":      {map[string]string{"Makefile": "all:\n\t$(MAKE) -C src\n", "src/Makefile": "obj-m := a.o\n"}, "DIR/Makefile: declares no module: did you mean DIR/src?"},
		"Kbuild hides":   {map[string]string{"Kbuild": "ccflags-y := -g\n", "Makefile": "obj-m := a.o\n"}, "DIR/Kbuild: declares no module: add a line like obj-m := NAME.o"},
		"empty Makefile": {map[string]string{"Makefile": ""}, "DIR/Makefile: declares no module: add a line like obj-m := NAME.o"},
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
