package harness

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/prebuilt/kotest"
	"github.com/modmatrix/modmatrix/results/arch"
)

func gdbOf(t *testing.T, machine, name string) *debugger {
	t.Helper()
	row, ok := arch.OfMachine(machine)
	if !ok {
		t.Fatal(machine)
	}
	path := filepath.Join(t.TempDir(), "a module.ko")
	if err := os.WriteFile(path, kotest.Module{Name: "drv"}.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return &debugger{arch: row, tree: &kernels.Tree{}, source: "/home/me/my drv", work: t.TempDir(), built: []kbuild.Module{{Name: name, Path: path}}}
}

// TestGdbCommands holds that gdb stops where a module has its place, and no other.
func TestGdbCommands(t *testing.T) {
	for machine, want := range map[string][]string{
		"x86_64": {"\nbreak *0xffffffff81000000 if *(char*)($rdi+", ")==110 && ", "/drv.ko\"", "set auto-load no\n", "set substitute-path /build \"/home/me/my drv\"\n",
			"/gdb.sock\n", "\ncontinue\n", "its own functions have no names"},
		"ppc64le": {"\nbreak *0xffffffff81000008 if *(char*)($r3+"},
	} {
		got, err := gdbOf(t, machine, "drv").commands("ffffffff81000000")
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(got), w) {
				t.Errorf("%s: no %q in\n%s", machine, w, got)
			}
		}
	}
}

// TestGdbFindsSections reads them, and the kernel's symbols, from a file of ELF that is there: this program.
func TestGdbFindsSections(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := gdbOf(t, "x86_64", "drv")
	text := slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == ".text" })
	if got, want := d.sections(f), fmt.Sprintf(" -s .text *(long*)($rsi+%d)", text*64+16); !strings.Contains(got, want) || strings.Contains(got, ".symtab") {
		t.Errorf("no %q in %s", want, got)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := elf.NewFile(bytes.NewReader(d.withoutAddresses(data, f)))
	if err != nil || plain.Sections[text].Addr != 0 || f.Sections[text].Addr == 0 || plain.Sections[text].Size != f.Sections[text].Size {
		t.Errorf("%v: %+v", err, plain.Sections[text])
	}
	d.arch.Bits = 32
	if got, want := d.sections(f), fmt.Sprintf(" -s .text *(int*)($rsi+%d)", text*40+12); !strings.Contains(got, want) {
		t.Errorf("no %q in %s", want, got)
	}
	if _, ok := symbolIn(self, finalize); ok {
		t.Error("it has a function of the kernel")
	}
}

// TestGdbObeysNobodyElse: what a guest or a module calls things is no command of gdb's, whose commands can start programs here.
func TestGdbObeysNobodyElse(t *testing.T) {
	for at, name := range map[string]string{"ffffffff81000000\nshell reboot": "drv", "": "drv", "ffffffff81000000": "drv\nshell reboot", "ffffffff81000001": "a\" b"} {
		if got, err := gdbOf(t, "x86_64", name).commands(at); err == nil {
			t.Errorf("%q %q: %s", at, name, got)
		}
	}
	d := gdbOf(t, "x86_64", "drv")
	d.work = filepath.Join(d.work, "a\nshell reboot\n")
	if err := os.Mkdir(d.work, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := d.commands("ffffffff81000000"); err == nil {
		t.Errorf("%s", got)
	}
}
