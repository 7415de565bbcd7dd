package kbuild

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// linesSource has its code in three sections, as a module does, and a label before each line that is asked for.
const linesSource = `#define mark(name) asm volatile(".globl " #name "\n" #name ":")
int sink;
#include "inner.h"
__attribute__((noinline)) static int twice(int n) { mark(in_twice); sink += n; return n * 2; }
static inline __attribute__((always_inline)) int middle(int n)
{
	return inner(n) + 1;
}
int plain(int n)
{
	sink = n;
	n = middle(n);
	return twice(n) + sink;
}
__attribute__((section(".init.text"), cold)) int begin(int n)
{
	mark(in_begin);
	sink += n;
	return n;
}
__attribute__((section(".exit.text"))) void end(void)
{
	mark(in_end);
	sink = 0;
}
static __attribute__((noinline, used)) int split(int n) { sink = n; return n; }
`

const linesHeader = `static inline __attribute__((always_inline)) int inner(int n)
{
	mark(in_inner);
	return n ^ sink;
}
`

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
			for symbol, want := range map[string][]Place{
				"in_inner": {{"inner", "sub/inner.h", 3}, {"middle", "sub/a.c", 7}, {"plain", "sub/a.c", 12}},
				"in_twice": {{"twice", "sub/a.c", 4}},
				"in_begin": {{"begin", "sub/a.c", 17}},
				"in_end":   {{"end", "sub/a.c", 23}},
				"plain":    {{"plain", "sub/a.c", 10}},
				"begin":    {{"begin", "sub/a.c", 16}},
			} {
				got, err := l.At(symbol, 0)
				if err != nil || !samePlaces(got, want) {
					t.Errorf("%s: %v, %v", symbol, got, err)
				}
			}
		})
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
