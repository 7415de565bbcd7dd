package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/results/evidence"
)

// strange fills the folder dir with all that a source may have: a link, a program, what a vendor ships without source, a repository
// that the build asks for a version; and with what is none of it.
func strange(t *testing.T, dir string) {
	t.Helper()
	for name, text := range map[string]string{"Kbuild": "obj-m := fifo.o\nV := $(shell git describe --always)\n", "fifo.c": "int fifo;\n", "blob.o": "from the vendor",
		"include/a.h": "", ".gitignore": "*.ko\n", "modmatrix.toml": "", "suites/own/own_test.go": "package own", "tool.sh": "#!/bin/sh\n", "ödd näme": "x"} {
		write(t, filepath.Join(dir, name), text)
	}
	if err := errors.Join(os.Symlink("include/a.h", filepath.Join(dir, "b.h")), os.Chmod(filepath.Join(dir, "tool.sh"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"init -q -b main", "add .", "-c user.name=a -c user.email=a@b commit -q -m one", "tag v1"} {
		cmd := exec.Command("git", strings.Fields(args)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %s", args, out)
		}
	}
	write(t, filepath.Join(dir, "fifo.ko"), "a product")
}

// bundled makes a bundle of f's module.
func bundled(t *testing.T, f *fixture) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fifo.tar.zst")
	if _, err := f.Bundle(t.Context(), f.spec, BundleRequest{Out: file, Config: []byte("suites = ['lifecycle']\n")}); err != nil {
		t.Fatal(err)
	}
	return file
}

// opened opens the bundle as f's module.
func opened(t *testing.T, f *fixture, file string) *Bundle {
	t.Helper()
	b, err := OpenBundle(t.Context(), f.store.Dir(), file)
	if err != nil {
		t.Fatal(err)
	}
	f.spec.Module, f.spec.Bundle, f.spec.Ready = file, b, b.Ready()
	return b
}

// A tester's plan is of the same source as its author's, and nothing is compiled for it but the module.
func TestABundleIsTheModule(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	strange(t, f.spec.Module)
	theirs, err := f.PlanModule(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	file := bundled(t, f)
	b := opened(t, f, file)
	defer b.Close()
	none := errors.New("there is no Go")
	f.compile = func(initramfs.Suites, context.Context, string, string) error { return none }
	f.suiteDigest = func(initramfs.Suites, context.Context, string) (string, error) { return "", none }
	f.baseDigest = func(context.Context, string, string) (string, error) { return "", none }
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Module.SourceDigest != theirs.Module.SourceDigest || p.Module.Name != "driver" || p.Module.Git == nil || p.Module.Git.Commit != theirs.Module.Git.Commit {
		t.Errorf("%+v, want %+v", p.Module, theirs.Module)
	}
	if len(p.Notices) == 0 || !strings.Contains(p.Notices[0], "a bundle, sha256:"+b.SHA256+", unsigned") || !strings.Contains(p.Notices[0], short(p.Module.SourceDigest)) || strings.Contains(p.Notices[0], "\n") {
		t.Errorf("%q", p.Notices)
	}
	res, err := f.Run(t.Context(), p)
	if want := "old-amd64 lifecycle PASS@ \nyoung-amd64 lifecycle PASS@"; err != nil || summary(res) != want {
		t.Errorf("%v\n%s", err, summary(res))
	}
	b.Close()
	if _, err := os.Stat(b.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("its folder is still there")
	}
}

// What a module is built upon, what it refers to beside its folder, and its firmware go with it.
func TestABundleHasWhatBelongsToTheModule(t *testing.T) {
	f := newFixture(t, "")
	top := t.TempDir()
	for name, text := range map[string]string{"repo/drv/Kbuild": "obj-m := fifo.o\nccflags-y := -I$(src)/../common\n", "repo/drv/fifo.c": "#include \"../common/a.h\"\n", "repo/common/a.h": "",
		"core-1.0/dkms.conf": "PACKAGE_NAME=core\nPACKAGE_VERSION=1.0\nBUILT_MODULE_NAME=core\nDEST_MODULE_LOCATION=/updates\nMAKE=make\n", "core-1.0/Makefile": "obj-m := core.o\n", "core-1.0/core.c": "",
		"fw/fifo/a.bin": "firmware"} {
		write(t, filepath.Join(top, name), text)
	}
	if out, err := exec.Command("git", "-C", filepath.Join(top, "repo"), "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	f.spec.Module, f.spec.Depends, f.spec.Firmware = filepath.Join(top, "repo/drv"), []string{filepath.Join(top, "core-1.0")}, filepath.Join(top, "fw")
	about := func() string {
		t.Helper()
		p, err := f.PlanModule(t.Context(), f.spec)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return fmt.Sprintln(p.Module.Name, p.Module.SourceDigest, p.in.module.Files.Folder, p.in.dependsDigest(), p.in.depends[0].title(), p.in.fw.digest)
	}
	want := about()
	b := opened(t, f, bundled(t, f))
	defer b.Close()
	f.spec.Depends, f.spec.Firmware = nil, filepath.Join(b.Dir, BundledFirmware)
	if got := about(); got != want || !strings.Contains(got, " drv ") {
		t.Errorf("got  %swant %s", got, want)
	}
}

// However the source lies on a disk, its bundle is the same.
func TestBundlesAreReproducible(t *testing.T) {
	f := newFixture(t, "")
	strange(t, f.spec.Module)
	one, err := os.ReadFile(bundled(t, f))
	if err != nil {
		t.Fatal(err)
	}
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	clone := filepath.Join(t.TempDir(), "another", "home", "driver")
	for _, args := range [][]string{{"clone", "-q", f.spec.Module, clone}, {"-C", clone, "gc", "-q"}} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("%s", out)
		}
	}
	if err := os.Chtimes(filepath.Join(clone, "fifo.c"), time.Now(), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	g := newFixture(t, "")
	g.spec.Module = clone
	two, err := os.ReadFile(bundled(t, g))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error(listed(t, one), listed(t, two))
	}
}

// listed is what the manifest of a bundle says.
func listed(t *testing.T, data []byte) string {
	t.Helper()
	m, err := evidence.Read(t.Context(), bytes.NewReader(data), int64(len(data)), evidence.BundleSchema, evidence.BundleLimits, func(evidence.Entry, io.Reader) error { return nil })
	text, _ := json.MarshalIndent(m, "", " ")
	return fmt.Sprintf("%s %v\n", text, err)
}

// A bundle in the folder of its module is none of the source: it would be another one each time.
func TestABundleIsNoPartOfTheSource(t *testing.T) {
	f := newFixture(t, "")
	digest := func() string {
		p, err := f.PlanModule(t.Context(), f.spec)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return p.Module.SourceDigest
	}
	before := digest()
	data, err := os.ReadFile(bundled(t, f))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(f.spec.Module, "driver.bundle.tar.zst"), string(data))
	if digest() != before {
		t.Error("it counts")
	}
	write(t, filepath.Join(f.spec.Module, "table.zst"), "\x28\xb5\x2f\xfd")
	if digest() == before {
		t.Error("a file of the source's own does not count")
	}
}
