package kbuild

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

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
