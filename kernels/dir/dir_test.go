package dir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

// Modules in as far as depmod looks at them: what they call, export and say.
const (
	firstModule  = "void second(void); int init_module(void) { second(); return 0; }" + modinfo + `"softdep=pre: third-alias";`
	secondModule = `void second(void) {} static const char e[] __attribute__((used, section("__ksymtab_strings"))) = "second";`
	thirdModule  = modinfo + `"alias=third-alias";`
	modinfo      = ` static const char i[] __attribute__((used, section(".modinfo"))) = `
)

func TestATreeIsATarget(t *testing.T) {
	fakeCompilers(t, gcc12)
	for name, prepare := range map[string]func(t *testing.T) string{
		"in place": func(t *testing.T) string { return testTree(t, t.TempDir()) },
		"a space":  func(t *testing.T) string { return testTree(t, filepath.Join(t.TempDir(), "my kernel: new")) },
		"a glob":   func(t *testing.T) string { return testTree(t, filepath.Join(t.TempDir(), "a[b]*")) },
		"a suffix that only scripts are given": func(t *testing.T) string {
			dir := testTree(t, t.TempDir())
			write(t, filepath.Join(dir, "include/config/kernel.release"), testRelease+".2\n")
			return dir
		},
		"a link": func(t *testing.T) string {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(testTree(t, t.TempDir()), link); err != nil {
				t.Fatal(err)
			}
			return link
		},
		"read-only": func(t *testing.T) string {
			dir := testTree(t, t.TempDir())
			if err := os.Chmod(dir, 0o555); err != nil {
				t.Fatal(err)
			}
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := prepare(t)
			before, _ := os.ReadDir(dir)
			s := testSource(t)
			res, err := s.Resolve(t.Context(), kernels.Selector{Source: "dir", Name: dir})
			if err != nil || len(res.Targets) != 1 || len(res.Notices) != 0 {
				t.Fatal(res, err)
			}
			target := res.Targets[0]
			if target.Release != testRelease || target.Version != "6.12.3" || target.Arch != "x86_64" || target.Source != "dir:"+dir || len(target.Packages) != 3 {
				t.Errorf("%+v", target)
			}
			tree, err := s.Fetch(t.Context(), target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(tree.KDIR, " ") || tree.Root.Dir != "" || !slices.Equal(tree.Root.Make, []string{"CC=gcc"}) || tree.Config.Value("ACPI") != "y" {
				t.Errorf("%+v", tree)
			}
			paths, err := tree.Closure("first_one", "serial")
			if err != nil || len(paths) != 3 || !strings.HasSuffix(paths[0], "/kernel/third.ko") || !strings.HasSuffix(paths[2], "/drivers/a/first-one.ko") {
				t.Errorf("closure %v, %v", paths, err)
			}
			for _, p := range paths {
				if _, err := kernels.ReadModule(p); err != nil {
					t.Error(err)
				}
			}
			if after, _ := os.ReadDir(dir); len(after) != len(before) {
				t.Errorf("the tree was written to: %v", after)
			}
		})
	}
}

// TestWhatIsMissingIsNamedWithItsCure spoils a tree in every way that people do.
func TestWhatIsMissingIsNamedWithItsCure(t *testing.T) {
	fakeCompilers(t, gcc12)
	remove := func(names ...string) func(string) {
		return func(dir string) {
			for _, name := range names {
				os.RemoveAll(filepath.Join(dir, name))
			}
		}
	}
	replace := func(name, old, new string) func(string) {
		return func(dir string) {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !strings.Contains(string(text), old) {
				t.Fatal(name, err)
			}
			write(t, filepath.Join(dir, name), strings.Replace(string(text), old, new, 1))
		}
	}
	for name, c := range map[string]struct {
		spoil func(dir string)
		says  string
		known bool // the release is
	}{
		"no kernel":     {remove("Makefile", ".config", "include"), "has no Makefile: it is no kernel build directory", false},
		"a module's":    {remove("Kconfig", ".config", "include"), "has no .config: it is no kernel build directory", false},
		"unpacked":      {remove(".config", "include"), "is not configured: make defconfig and make there", false},
		"configured":    {remove("include", "Module.symvers", "arch"), "is configured, but not built: make there", false},
		"another title": {replace(".config", "# Linux/x86 6.12.3 Kernel Configuration", "# Linux/arm64 6.12.3 Kernel Configuration\n#"), "", true},
		"arm64": {func(dir string) {
			write(t, dir+"/.config", "# Linux/arm64 6.12.3 Kernel Configuration\nCONFIG_ARM64=y\n")
		}, "holds no image (arch/arm64/boot/Image): make there", true},
		"32 bits": {replace(".config", "CONFIG_X86_64=y", "CONFIG_X86_64=n"), "is configured for x86 machines of another kind, and what can be booted here is amd64, i386", true},
		"tools of another": {func(dir string) {
			write(t, dir+"/scripts/basic/fixdep", strings.Replace(module(), "\x3e\x00\x01", "\xb7\x00\x01", 1))
		}, "is a program for EM_AARCH64: the tree was built on another machine", true},
		"no tools":         {remove("scripts/mod"), "lacks scripts/mod/modpost: make modules_prepare", true},
		"prepared only":    {remove("Module.symvers", "arch", "modules.order"), "no Module.symvers, so no module's symbols can be checked: make there", true},
		"no image":         {remove("arch"), "holds no image (arch/x86/boot/bzImage): make there; a kernel that is installed here is host:" + testRelease, true},
		"empty image":      {func(dir string) { write(t, dir+"/arch/x86/boot/bzImage", "") }, "it is no kernel image; make bzImage", true},
		"older image":      {func(dir string) { write(t, dir+"/arch/x86/boot/bzImage", bzImage("6.12.2")) }, "is of 6.12.2, but its tree is of " + testRelease + ": make again", true},
		"vmlinux with BTF": {func(dir string) { remove("arch")(dir); write(t, dir+"/vmlinux", module()) }, "it is no kernel for x86_64", true},
		"no modules":       {remove("modules.order"), "holds the image, but no modules: make modules", true},
		"cannot boot": {replace(".config", "CONFIG_BLK_DEV_INITRD=y\nCONFIG_DEVTMPFS=y\n", "CONFIG_DEVTMPFS=m\n"),
			"its configuration lacks CONFIG_BLK_DEV_INITRD=y CONFIG_DEVTMPFS=y; add these and make", true},
		"one port": {replace(".config", "NR_UARTS=4", "NR_UARTS=1"), "lacks CONFIG_SERIAL_8250_NR_UARTS=4;", true},
		"clang's":  {replace(".config", "CONFIG_CC_IS_GCC=y\n", "CONFIG_CC_IS_CLANG=y\n"), "there is no clang here: install clang", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := testTree(t, t.TempDir())
			c.spoil(dir)
			res, err := resolve(t, dir)
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%+v, %v; want %q", res, err, c.says)
			}
			if e, ok := errors.AsType[*kernels.IncompleteError](err); ok != c.known || ok && e.Release != testRelease {
				t.Errorf("known: %v", e)
			}
		})
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "absent"), filepath.Join(testTree(t, t.TempDir()), "Kconfig")} {
		if _, err := resolve(t, path); !errors.Is(err, kernels.ErrNoMatch) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWhatIsWantedIsANotice(t *testing.T) {
	fakeCompilers(t, map[string]string{"gcc": "gcc (Test 14.1.0-1) 14.1.0"})
	dir := testTree(t, t.TempDir())
	write(t, filepath.Join(dir, ".config"), strings.Replace(bootable(), "CONFIG_MODULE_UNLOAD=m\n", "", 1))
	res, err := resolve(t, dir)
	if err != nil || len(res.Notices) != 2 || !strings.Contains(res.Notices[0], "lacks CONFIG_MODULE_UNLOAD") ||
		!strings.Contains(res.Notices[1], "built with gcc 12.2.0, modules with this host's gcc 14.1.0") {
		t.Errorf("%q %v", res.Notices, err)
	}
}

// TestAKernelThatChangedIsNotTheSame changes what a build depends on, one thing at a time.
func TestAKernelThatChangedIsNotTheSame(t *testing.T) {
	fakeCompilers(t, gcc12)
	dir := testTree(t, t.TempDir())
	s := testSource(t)
	fetch := func() (*kernels.Tree, error) {
		res, err := s.Resolve(t.Context(), kernels.Selector{Source: "dir", Name: dir})
		if err != nil {
			t.Fatal(err)
		}
		return s.Fetch(t.Context(), res.Targets[0], nil)
	}
	first, err := fetch()
	if err != nil {
		t.Fatal(err)
	}
	again, err := fetch()
	if err != nil || again.Digest != first.Digest {
		t.Errorf("the same tree is %s and %s: %v", first.Digest, again.Digest, err)
	}
	seen := map[string]string{first.Digest: "nothing"}
	for _, name := range []string{".config", "Module.symvers", "arch/x86/boot/bzImage", "include/generated/autoconf.h", "drivers/b/second.ko", "include/linux/new.h"} {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		write(t, filepath.Join(dir, name), string(text)+"\n# changed\n")
		tree, err := fetch()
		if err != nil {
			t.Fatal(name, err)
		}
		if other, ok := seen[tree.Digest]; ok {
			t.Errorf("a change of %s is as one of %s", name, other)
		}
		seen[tree.Digest] = name
	}
	if _, err := s.Fetch(t.Context(), first.Target, nil); !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), ".config in dir:") {
		t.Errorf("what was planned before is fetched after: %v", err)
	}
}

func TestStagedModules(t *testing.T) {
	fakeCompilers(t, gcc12)
	for _, where := range []string{"lib/modules", "usr/lib/modules", "_install/lib/modules"} {
		dir := testTree(t, t.TempDir())
		staged := filepath.Join(dir, where, testRelease, "kernel/drivers")
		write(t, filepath.Join(staged, "a/first-one.ko"), compiled(t, firstModule))
		write(t, filepath.Join(staged, "second.ko"), compiled(t, secondModule))
		for _, name := range []string{"modules.order", "drivers", "kernel"} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		s := testSource(t)
		res, err := s.Resolve(t.Context(), kernels.Selector{Source: "dir", Name: dir})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := s.Fetch(t.Context(), res.Targets[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		if paths, err := tree.Closure("first-one"); err != nil || len(paths) != 2 {
			t.Errorf("%s: %v %v", where, paths, err)
		}
		write(t, filepath.Join(dir, where, testRelease, "modules.dep"), "kernel/drivers/second.ko:\n")
		if tree, err = s.Fetch(t.Context(), res.Targets[0], nil); err != nil || tree.Modules != filepath.Join(dir, where, testRelease) {
			t.Errorf("%s: depmod's own files are not used: %v", where, err)
		}
	}
}

func TestMissingForBootOfNothing(t *testing.T) {
	if lines := MissingForBoot(kconfig.Config{}, build); len(lines) != len(needed)+len(build.Kernel.Needs) || !slices.Contains(lines, "CONFIG_SERIAL_8250_CONSOLE=y") {
		t.Errorf("%v", lines)
	}
}
