package initramfs

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/mkuimage/cpio"

	"github.com/modmatrix/modmatrix/results/arch"
)

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := filepath.Join(t.TempDir(), "base.cpio")
	if err := BuildBase(ctx, Options{Source: "..", Out: out}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Error("an image was written")
	}
}

// TestGoEnv looks at what go would see, and at what is left afterwards.
func TestGoEnv(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=vendor")
	first := arch.All()[0]
	t.Setenv("GOAMD64", "v4")
	os.Unsetenv("GOWORK")
	_ = withGoEnv(first, func() error {
		if os.Getenv("GOFLAGS") != "-trimpath" || os.Getenv("GOWORK") != "off" || os.Getenv("GOAMD64") != "v1" {
			t.Errorf("GOFLAGS=%s GOWORK=%s GOAMD64=%s", os.Getenv("GOFLAGS"), os.Getenv("GOWORK"), os.Getenv("GOAMD64"))
		}
		return nil
	})
	if _, set := os.LookupEnv("GOWORK"); set || os.Getenv("GOFLAGS") != "-mod=vendor" || os.Getenv("GOAMD64") != "v4" {
		t.Error("the environment is not as it was")
	}
}

// TestBuildBase builds twice, the second time under everything that the user may have set for other builds.
func TestBuildBase(t *testing.T) {
	if os.Getenv("MODMATRIX_TEST_BUILD") == "" {
		t.Skip("compiles the base image twice: set MODMATRIX_TEST_BUILD=1")
	}
	source, err := FindSource()
	if err != nil {
		t.Fatal(err)
	}
	first := build(t, source)
	t.Setenv("GOFLAGS", "-mod=vendor -tags=tools,goshsmall")
	t.Setenv("GOAMD64", "v3")
	t.Setenv("GOARCH", "arm64")
	t.Setenv("GOPROXY", "off")
	t.Setenv("CGO_ENABLED", "1")
	if second := build(t, source); !bytes.Equal(first, second) {
		t.Errorf("the second image differs: %d and %d bytes", len(first), len(second))
	}
	checkBase(t, first)
}

func build(t *testing.T, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	out, temp := filepath.Join(dir, "base.cpio"), filepath.Join(dir, "temp")
	if err := os.Mkdir(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := BuildBase(t.Context(), Options{Source: source, Out: out, Temp: temp, Log: &log}); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// checkBase looks for what guests rely on.
func checkBase(t *testing.T, image []byte) {
	t.Helper()
	found := map[string]cpio.Record{}
	for _, r := range records(t, image) {
		found[r.Name] = r
	}
	for _, name := range append([]string{"init", "dev/console", "proc", "bin/sh", "bbin/modmatrix-shell"}, under("bbin/", commands)...) {
		if _, ok := found[name]; !ok {
			t.Errorf("no /%s", name)
		}
	}
	exe, err := elf.NewFile(found["bin/modmatrix-init"])
	if err != nil {
		t.Fatal(err)
	}
	if libs, _ := exe.ImportedLibraries(); len(libs) != 0 || exe.Section(".interp") != nil {
		t.Errorf("PID 1 is not static: %v", libs)
	}
	if exe.Machine != elf.EM_X86_64 {
		t.Errorf("PID 1 is for %v", exe.Machine)
	}
	if bytes.Contains(image, []byte(strings.TrimSuffix(os.TempDir(), "/")+"/TestBuild")) {
		t.Error("the image names the folder that it was built in")
	}
}

func under(dir string, names []string) (paths []string) {
	for _, n := range names {
		paths = append(paths, dir+n)
	}
	return paths
}
