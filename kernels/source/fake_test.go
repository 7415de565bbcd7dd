package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// fakeKernel is a source that configures, compiles and installs as Linux does, in a second and with sh alone.
var fakeKernel = map[string]string{
	"Makefile": `VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 3
EXTRAVERSION =
REL = 6.12.3$(EXTRAVERSION)$(shell cat localversion* 2>/dev/null)$(shell sed -n 's/^CONFIG_LOCALVERSION="\(.*\)"/\1/p' .config | tail -1)
allnoconfig:
	@cp $(KCONFIG_ALLCONFIG) .config
defconfig:
	@echo CONFIG_WHOLE=y > .config
olddefconfig:
	@grep -v NOPE .config > .new; mv .new .config
kernelrelease:
	@echo $(REL)
bzImage:
	@sh scripts/before.sh
	@mkdir -p arch/x86/boot/compressed drivers/x
	@echo "  CC      init/main.o"; touch init/main.o drivers/x/y.o Module.symvers vmlinux include/z.o
	@echo image > arch/x86/boot/bzImage; echo map > System.map
modules:
	@echo "  CC [M]  drivers/x/y.o"
modules_install:
	@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/$(REL)
	@touch $(INSTALL_MOD_PATH)/lib/modules/$(REL)/modules.dep
	@ln -s $(CURDIR) $(INSTALL_MOD_PATH)/lib/modules/$(REL)/build
	@sh scripts/after.sh
`,
	"Kconfig":                    "config NEVER\n\tbool\nconfig NOPE\n\tbool \"nope\"\n\tdepends on NEVER\n",
	"scripts/before.sh":          "true\n",
	"scripts/after.sh":           "true\n",
	"init/main.c":                "int main;\n",
	"include/linux/a.h":          "#define A\n",
	"include/config/auto.conf":   "\n",
	"arch/x86/include/asm/b.h":   "#define B\n",
	"arch/x86/Makefile":          "\n",
	"arch/arm64/include/asm/b.h": "#define B\n",
	"tools/objtool/objtool":      "#!/bin/sh\n",
	"localversion-next":          "-next\n",
}

// with is the fake kernel with other files.
func with(files ...string) map[string]string {
	all := maps.Clone(fakeKernel)
	for i := 0; i < len(files); i += 2 {
		all[files[i]] = files[i+1]
	}
	return all
}

// tarOf packs files below linux-6.12.3/.
func tarOf(t *testing.T, files map[string]string, extra ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, content string) {
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		add(tar.Header{Name: "linux-6.12.3/" + name, Mode: 0o755, Typeflag: tar.TypeReg}, files[name])
	}
	for _, h := range extra {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content = "planted"
		}
		add(h, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(t *testing.T, how string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch how {
	case "xz":
		w, _ := xz.NewWriter(&b)
		_, err = w.Write(data)
		w.Close()
	case "zst":
		w, _ := zstd.NewWriter(&b)
		_, err = w.Write(data)
		w.Close()
	case "gz":
		w := gzip.NewWriter(&b)
		_, err = w.Write(data)
		w.Close()
	default:
		return data
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// hostRoot compiles in the host's own root.
type hostRoot struct{}

func (hostRoot) Root(context.Context, string, []string, func(kernels.Progress)) (kernels.Root, error) {
	return kernels.Root{Compiler: "none"}, nil
}

// newSource is a source over an empty store that compiles in the host's root.
func newSource(t *testing.T) (*Source, *store.Store) {
	t.Helper()
	for _, tool := range []string{"bwrap", "make", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: these tests compile a kernel of a few lines", err)
		}
	}
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return New(st, hostRoot{}), st
}

func fetch(t *testing.T, s *Source, selector string) (*kernels.Tree, error) {
	t.Helper()
	sel, err := kernels.ParseSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Resolve(t.Context(), sel)
	if err != nil {
		return nil, err
	}
	if len(res.Targets) != 1 {
		t.Fatalf("%s gave %d targets", selector, len(res.Targets))
	}
	return s.Fetch(t.Context(), res.Targets[0], nil)
}

// repository makes a git repository of two commits, the first of which is tagged v6.12.3.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	gitIn(t, dir, "init", "-q", "-b", "main")
	for name, text := range files {
		put(t, filepath.Join(dir, name), []byte(text))
	}
	gitIn(t, dir, "add", ".")
	gitIn(t, dir, "commit", "-q", "-m", "one")
	gitIn(t, dir, "tag", "-a", "-m", "x", "v6.12.3")
	put(t, filepath.Join(dir, "init/more.c"), nil)
	gitIn(t, dir, "add", ".")
	gitIn(t, dir, "commit", "-q", "-m", "two")
	return dir
}

func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
