package kbuild

import (
	"bytes"
	"debug/elf"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// linesSource is a.c of testdata/lines. It has its code in three sections, as a module does, and a label before each line that is asked for.
//
//go:embed testdata/lines/a.c
var linesSource string

//go:embed testdata/lines/inner.h
var linesHeader string

// compileObject makes a relocatable file with debug information, with the source at /build as a module's is.
func compileObject(tb testing.TB, flags ...string) string {
	tb.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		tb.Skip("no gcc here")
	}
	dir := source(tb, map[string]string{"sub/a.c": linesSource, "sub/inner.h": linesHeader})
	object := filepath.Join(dir, "a.o")
	args := append([]string{"-g", "-O1", "-fno-pie", "-ffile-prefix-map=" + dir + "=" + guestBuild, "-c", "-o", object}, flags...)
	if out, err := exec.Command("gcc", append(args, filepath.Join(dir, "sub/a.c"))...).CombinedOutput(); err != nil {
		tb.Fatalf("gcc: %v\n%s", err, out)
	}
	return object
}

func TestLines(t *testing.T) {
	for name, flags := range map[string][]string{
		"dwarf 4": {"-gdwarf-4"}, "dwarf 5": {"-gdwarf-5"}, "compressed": {"-gz=zlib"}, "sections": {"-ffunction-sections"},
		"linked": {"-r", "-nostdlib", "-xc"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := OpenLines(compileObject(t, flags...))
			if err != nil {
				t.Fatal(err)
			}
			checkLines(t, l)
		})
	}
}

// TestLinesOfArchs reads what testdata/lines/make.sh compiled for other processors: 32 bits, big-endian, and RISC-V, whose
// distances between labels are relocations.
func TestLinesOfArchs(t *testing.T) {
	objects, err := filepath.Glob("testdata/lines/*.o")
	if err != nil || len(objects) < 14 {
		t.Fatalf("%d objects, %v", len(objects), err)
	}
	for _, object := range objects {
		t.Run(filepath.Base(object), func(t *testing.T) {
			l, err := OpenLines(object)
			if err != nil {
				t.Fatal(err)
			}
			checkLines(t, l)
		})
	}
}

// checkLines asks for the lines of a.c by its labels and functions.
func checkLines(t *testing.T, l *Lines) {
	t.Helper()
	for symbol, want := range map[string][]Place{
		"in_inner": {{"inner", "sub/inner.h", 3}, {"middle", "sub/a.c", 7}, {"plain", "sub/a.c", 12}},
		"in_twice": {{"twice", "sub/a.c", 4}},
		"in_begin": {{"begin", "sub/a.c", 17}},
		"in_end":   {{"end", "sub/a.c", 23}},
		"plain":    {{"plain", "sub/a.c", 10}},
	} {
		got, err := l.At(symbol, 0)
		if err != nil || !samePlaces(got, want) {
			t.Errorf("%s: %v, %v", symbol, got, err)
		}
	}
}

// samePlaces lets a function begin one line lower: where the brace stands is the compiler's choice.
func samePlaces(got, want []Place) bool {
	return slices.EqualFunc(got, want, func(g, w Place) bool {
		return g.Function == w.Function && g.File == w.File && (g.Line == w.Line || g.Line == w.Line+1)
	})
}

func TestLinesRefuse(t *testing.T) {
	l, err := OpenLines(compileObject(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.At("split.isra.0", 0); err != nil {
		t.Errorf("a suffix that the object lacks: %v", err)
	}
	for want, ask := range map[string]func() error{
		"no function of that name":          func() error { _, err := l.At("absent", 0); return err },
		"the offset is beyond the function": func() error { _, err := l.At("plain", 1<<40); return err },
		"no debug information":              func() error { _, err := OpenLines(compileObject(t, "-g0")); return err },
		"no such file":                      func() error { _, err := OpenLines("/nonexistent"); return err },
		"bad magic":                         func() error { _, err := OpenLines("lines_test.go"); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v instead of %s", err, want)
		}
	}
	if _, err := OpenLines(compileObject(t, "-g0")); !errors.Is(err, ErrNoDebug) {
		t.Errorf("not ErrNoDebug: %v", err)
	}
}

// TestFindLine: which of several symbols is meant.
func TestFindLine(t *testing.T) {
	l := &Lines{code: []codeSymbol{
		{"twin", 0x100, 0x110}, {"twin", 0x200, 0x280}, {"alias", 0x300, 0x310}, {"alias", 0x300, 0x310},
		{"f", 0x400, 0x420}, {"f.cold", 0x500, 0x508}, {"g.isra.0", 0x600, 0x610},
	}}
	for _, test := range []struct {
		name   string
		offset uint64
		want   string
	}{
		{"twin", 0x20, "0x200"},
		{"twin", 0x2, "2 functions of that name"},
		{"alias", 4, "0x300"},
		{"f", 4, "0x400"},
		{"f.cold", 4, "0x500"},
		{"f", 0x20, "the offset is beyond the function"},
		{"g", 1, "0x600"},
		{"g.constprop.0", 1, "0x600"},
		{"h", 1, "no function of that name in the module"},
	} {
		s, err := l.find(test.name, test.offset)
		got := fmt.Sprintf("%#x", s.addr)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s+%#x: %s", test.name, test.offset, got)
		}
	}
}

// FuzzLines: bytes that nobody vouches for make an error at worst.
func FuzzLines(f *testing.F) {
	for _, flags := range [][]string{{"-gdwarf-4"}, {"-gdwarf-5"}} {
		data, err := os.ReadFile(compileObject(f, flags...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, object := range []string{"riscv64.dwarf5", "riscv64.packed", "s390x.dwarf4", "thumb"} {
		data, err := os.ReadFile("testdata/lines/" + object + ".o")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLines(slices.Clone(data))
		if err != nil {
			return
		}
		for _, s := range l.code[:min(len(l.code), 8)] {
			places, err := l.At(s.name, 0)
			if err == nil && len(places) == 0 {
				t.Error("neither a place nor an error")
			}
		}
	})
}

// TestRISCVNumbers: the relocations that take a distance apart, of every size.
func TestRISCVNumbers(t *testing.T) {
	for _, test := range []struct {
		name string
		kind elf.R_RISCV
		from []byte
		by   uint64
		want []byte
	}{
		{"set 32", elf.R_RISCV_32, []byte{9, 9, 9, 9, 9}, 0x01020304, []byte{4, 3, 2, 1, 9}},
		{"set 64", elf.R_RISCV_64, []byte{0, 0, 0, 0, 0, 0, 0, 0}, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0}},
		{"add 8", elf.R_RISCV_ADD8, []byte{0xff, 7}, 2, []byte{1, 7}},
		{"add 16", elf.R_RISCV_ADD16, []byte{0xff, 0, 7}, 1, []byte{0, 1, 7}},
		{"subtract 32", elf.R_RISCV_SUB32, []byte{0, 1, 0, 0}, 1, []byte{0xff, 0, 0, 0}},
		{"subtract 64", elf.R_RISCV_SUB64, []byte{1, 0, 0, 0, 0, 0, 0, 0}, 1, []byte{0, 0, 0, 0, 0, 0, 0, 0}},
		{"set 16", elf.R_RISCV_SET16, []byte{9, 9, 9}, 0x1ff, []byte{0xff, 1, 9}},
		{"set of three bytes", riscvSetULEB128, []byte{0x80, 0x80, 0, 9}, 0x81, []byte{0x81, 0x81, 0, 9}},
		{"subtract of two bytes", riscvSubULEB128, []byte{0x81, 0x01, 9}, 0x80, []byte{0x81, 0, 9}},
		{"nothing that debug information has", elf.R_RISCV_BRANCH, []byte{1, 2}, 3, []byte{1, 2}},
		{"no room", elf.R_RISCV_ADD64, []byte{1}, 3, nil},
		{"no end", riscvSetULEB128, []byte{0x80}, 3, nil},
	} {
		if ok := riscvApply(test.from, uint32(test.kind), test.by, binary.LittleEndian); ok != (test.want != nil) || ok && !bytes.Equal(test.from, test.want) {
			t.Errorf("%s: %v, % x instead of % x", test.name, ok, test.from, test.want)
		}
	}
}
