package dir

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
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
	for _, s := range slices.Concat(needed, build.Kernel.Needs) {
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
