package dir

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/kernels/store"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const testRelease = "6.12.3-mine+"

// bootable is a configuration that a guest can live with.
func bootable() string {
	text := "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.12.3 Kernel Configuration\n#\n" +
		"CONFIG_CC_VERSION_TEXT=\"gcc (Test 12.2.0-1) 12.2.0\"\nCONFIG_CC_IS_GCC=y\nCONFIG_GCC_VERSION=120200\nCONFIG_CLANG_VERSION=0\n" +
		"CONFIG_X86_64=y\nCONFIG_SERIAL_8250_NR_UARTS=4\n"
	for _, s := range needed {
		text += "CONFIG_" + s + "=y\n"
	}
	for _, w := range wanted {
		text += "CONFIG_" + w.symbol + "=m\n"
	}
	return text
}

// bzImage is the head of one.
func bzImage(release string) string {
	head := make([]byte, 0x400)
	head[0x1fe], head[0x1ff] = 0x55, 0xaa
	copy(head[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(head[0x20e:], 0x100)
	head[0x236] = 1
	copy(head[0x300:], release+" (me@here) #1 SMP")
	return string(head)
}

// testTree is a kernel as a build in place leaves it, in as far as anybody looks.
func testTree(t *testing.T, dir string) string {
	t.Helper()
	write(t, filepath.Join(dir, "Makefile"), "VERSION = 6\n"+strings.Repeat("# the kernel's own is long\n", 400))
	write(t, filepath.Join(dir, "Kconfig"), "")
	write(t, filepath.Join(dir, ".config"), bootable())
	write(t, filepath.Join(dir, "Module.symvers"), "0x0\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
	write(t, filepath.Join(dir, "include/generated/autoconf.h"), "")
	write(t, filepath.Join(dir, "include/generated/utsrelease.h"), "#define UTS_RELEASE \""+testRelease+"\"\n")
	write(t, filepath.Join(dir, "include/config/kernel.release"), testRelease+"\n")
	write(t, filepath.Join(dir, "include/config/auto.conf"), "")
	write(t, filepath.Join(dir, "scripts/basic/fixdep"), "#!/bin/sh\n")
	write(t, filepath.Join(dir, "scripts/mod/modpost"), "#!/bin/sh\n")
	write(t, filepath.Join(dir, "arch/x86/boot/bzImage"), bzImage(testRelease))
	write(t, filepath.Join(dir, "modules.order"), "drivers/a/first-one.o\ndrivers/b/second.o\nkernel/third.o\n")
	write(t, filepath.Join(dir, "modules.builtin"), "kernel/drivers/tty/serial.ko\n")
	write(t, filepath.Join(dir, "drivers/a/first-one.ko"), compiled(t, firstModule))
	write(t, filepath.Join(dir, "drivers/b/second.ko"), compiled(t, secondModule))
	write(t, filepath.Join(dir, "kernel/third.ko"), compiled(t, thirdModule))
	return dir
}

// Modules in as far as depmod looks at them: what they call, export and say.
const (
	firstModule  = "void second(void); int init_module(void) { second(); return 0; }" + modinfo + `"softdep=pre: third-alias";`
	secondModule = `void second(void) {} static const char e[] __attribute__((used, section("__ksymtab_strings"))) = "second";`
	thirdModule  = modinfo + `"alias=third-alias";`
	modinfo      = ` static const char i[] __attribute__((used, section(".modinfo"))) = `
)

var objects = map[string]string{}

// compiled is the object file of a source.
func compiled(t *testing.T, source string) string {
	t.Helper()
	if objects[source] == "" {
		file := filepath.Join(t.TempDir(), "x.o")
		cmd := exec.Command("gcc", "-c", "-x", "c", "-", "-o", file)
		cmd.Stdin = strings.NewReader(source)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
		object, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects[source] = string(object)
	}
	return objects[source]
}

// module is the least that is an ELF relocatable with a .modinfo.
func module(fields ...string) string {
	info := strings.Join(fields, "\x00") + "\x00"
	names := "\x00.modinfo\x00.shstrtab\x00"
	const header, section = 64, 64
	infoAt, namesAt := header, header+len(info)
	tableAt := (namesAt + len(names) + 7) &^ 7
	out := make([]byte, tableAt+3*section)
	copy(out, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(out[16:], 1)  // ET_REL
	le.PutUint16(out[18:], 62) // EM_X86_64
	le.PutUint32(out[20:], 1)
	le.PutUint64(out[40:], uint64(tableAt))
	le.PutUint16(out[52:], header)
	le.PutUint16(out[58:], section)
	le.PutUint16(out[60:], 3)
	le.PutUint16(out[62:], 2)
	copy(out[infoAt:], info)
	copy(out[namesAt:], names)
	for i, s := range []struct{ name, kind, at, size int }{{1, 1, infoAt, len(info)}, {10, 3, namesAt, len(names)}} {
		at := tableAt + (i+1)*section
		le.PutUint32(out[at:], uint32(s.name))
		le.PutUint32(out[at+4:], uint32(s.kind))
		le.PutUint64(out[at+24:], uint64(s.at))
		le.PutUint64(out[at+32:], uint64(s.size))
	}
	return string(out)
}

// fakeCompilers makes those the host's: name to the first line of --version.
func fakeCompilers(t *testing.T, said map[string]string) {
	t.Helper()
	bin := t.TempDir()
	for name, line := range said {
		path := filepath.Join(bin, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+line+"'\necho more\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	old := compilerDirs
	compilerDirs = []string{bin}
	t.Cleanup(func() { compilerDirs = old })
}

var gcc12 = map[string]string{"gcc": "gcc (Test 12.2.0-1) 12.2.0"}

func testSource(t *testing.T) *Source {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return New(st)
}

func resolve(t *testing.T, dir string) (kernels.Resolution, error) {
	t.Helper()
	return testSource(t).Resolve(t.Context(), kernels.Selector{Source: "dir", Name: dir})
}

func TestATreeIsATarget(t *testing.T) {
	fakeCompilers(t, gcc12)
	for name, prepare := range map[string]func(t *testing.T) string{
		"in place": func(t *testing.T) string { return testTree(t, t.TempDir()) },
		"a space":  func(t *testing.T) string { return testTree(t, filepath.Join(t.TempDir(), "my kernel: new")) },
		"a glob":   func(t *testing.T) string { return testTree(t, filepath.Join(t.TempDir(), "a[b]*")) },
		"a suffix that only scripts are told": func(t *testing.T) string {
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

// TestWhatIsMissingIsToldWithItsCure spoils a tree in every way that people do.
func TestWhatIsMissingIsToldWithItsCure(t *testing.T) {
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
		}, "is configured for arm64, and only x86_64 can be booted here", true},
		"32 bits": {replace(".config", "CONFIG_X86_64=y", "CONFIG_X86_32=y"), "is configured for 32-bit or unknown machines", true},
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

// TestMountsOfATreeWithItsSourceElsewhere: everything that the build directory refers to is there by the name it uses.
func TestMountsOfATreeWithItsSourceElsewhere(t *testing.T) {
	fakeCompilers(t, gcc12)
	for name, c := range map[string]struct{ makefile, source, fail string }{
		"since 5.x":  {"# Automatically generated by @/Makefile: don't edit\nexport KBUILD_OUTPUT = /x\ninclude @/Makefile\n", "linux", ""},
		"up to 4.19": {"VERSION = 4\nMAKEARGS := -C @\nMAKEARGS += O=/x\n", "linux", ""},
		"relative":   {"include ../linux/Makefile\n", "linux", ""},
		"a space":    {"include @/Makefile\n", "my-linux:1", "make cannot build in "},
	} {
		home := t.TempDir()
		t.Setenv(SourcesEnv, "/nowhere:"+home)
		source := filepath.Join(home, c.source)
		write(t, filepath.Join(source, "Makefile"), "VERSION = 6\n")
		tools := filepath.Join(home, "tools")
		write(t, filepath.Join(tools, "x"), "")
		if err := os.Symlink(tools, filepath.Join(source, "tools")); err != nil {
			t.Fatal(err)
		}
		dir := testTree(t, filepath.Join(home, "out"))
		write(t, filepath.Join(dir, "Makefile"), strings.ReplaceAll(c.makefile, "@", source))
		k, err := find(dir)
		if err != nil {
			t.Fatal(err)
		}
		kdir, mounts, err := k.mounts()
		if c.fail != "" {
			_, resolveErr := resolve(t, dir)
			for _, err := range []error{err, resolveErr} {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("%s: %v", name, err)
				}
			}
			continue
		}
		want := []kernels.Mount{{Host: source, Guest: source}, {Host: tools, Guest: tools}, {Host: dir, Guest: dir}}
		if err != nil || kdir != dir || !slices.Equal(mounts, want) {
			t.Errorf("%s: %s %+v %v", name, kdir, mounts, err)
		}
	}
}

// TestATreeMountsNothingOfAHome gives a tree whose Makefile and links name a folder with a key.
func TestATreeMountsNothingOfAHome(t *testing.T) {
	fakeCompilers(t, gcc12)
	home := t.TempDir()
	secret := filepath.Join(home, "secret")
	write(t, filepath.Join(secret, "Makefile"), "VERSION = 6\n")
	dir := testTree(t, filepath.Join(home, "tree"))
	if err := os.Symlink(filepath.Join(secret, "Makefile"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	mounted := func() ([]kernels.Mount, error) {
		k, err := find(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, mounts, err := k.mounts()
		return mounts, err
	}
	own := []kernels.Mount{{Host: dir, Guest: dir}}
	if mounts, err := mounted(); err != nil || !slices.Equal(mounts, own) {
		t.Errorf("by a link: %v %v", mounts, err)
	}
	for _, text := range []string{"include " + secret + "/Makefile\n", "include ../secret/Makefile\n", "include /etc/Makefile\n", "MAKEARGS := -C /root\n", "MAKEARGS := -C /proc/self/root" + secret + "\n", "MAKEARGS := -C /usr/.." + secret + "\n"} {
		write(t, filepath.Join(dir, "Makefile"), text)
		if mounts, err := mounted(); err == nil || !strings.Contains(err.Error(), SourcesEnv) {
			t.Errorf("%q: mounts %v, %v", text, mounts, err)
		}
		if _, err := resolve(t, dir); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: resolved, %v", text, err)
		}
	}
	t.Setenv(SourcesEnv, secret) // the control: it is there, and mounted where the user names it
	write(t, filepath.Join(dir, "Makefile"), "include "+secret+"/Makefile\n")
	if mounts, err := mounted(); err != nil || len(mounts) != 2 || mounts[0].Host != secret {
		t.Errorf("the control: %v %v", mounts, err)
	}
}

func TestMissingForBootOfNothing(t *testing.T) {
	if lines := MissingForBoot(kconfig.Config{}); len(lines) != len(needed) || !slices.Contains(lines, "CONFIG_SERIAL_8250_CONSOLE=y") {
		t.Errorf("%v", lines)
	}
}
