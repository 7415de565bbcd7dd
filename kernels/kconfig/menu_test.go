package kconfig

import (
	"strings"
	"testing"
	"testing/fstest"
)

// top is a small kernel's Kconfig with what real ones do, each thing once.
const top = `# SPDX
mainmenu "Linux $(KERNELVERSION)"
CC_VERSION := $(shell,cc --version)
config MODULES
	bool "modules"
	modules
	help
	  depends on NOTHING, says this text, and
	  config FAKE

	  goes on after an empty line.

if MODULES
config KPROBES
	bool "probes" if EXPERT || \
		DEBUG_KERNEL
	depends on HAVE_KPROBES # a remark
	select KALLSYMS
endif

config KALLSYMS
	bool "symbols" if EXPERT
	default y

config HAVE_KPROBES
	bool
config EXPERT
	bool "experts"
config FUTEX
	bool "futex" if EXPERT
	default y
comment "nothing of this counts"
	depends on EXPERT
source "arch/$(SRCARCH)/Kconfig"
menu "Sanitizers"
	depends on DEBUG_KERNEL
	visible if HAVE_SANITIZERS
config KASAN
	bool "KASAN"
	depends on (HAVE_KASAN && $(cc-option,-fsanitize=kernel-address)) || SW_TAGS
	depends on STACK_SIZE >= 0x1000 && NAME != "x86"
choice
	prompt "how"
	depends on KASAN
config KASAN_OUTLINE
	bool "calls"
config KASAN_INLINE
	bool "inlined"
endchoice
endmenu
`

func tree() fstest.MapFS {
	return fstest.MapFS{
		"Kconfig":          {Data: []byte(top)},
		"arch/x86/Kconfig": {Data: []byte("config DEBUG_KERNEL\n\tbool \"debug\"\nconfig TRI\n\ttristate \"tri\"\n\tdepends on BUS\n\tdepends on DOOR if HOUSE\nconfig PCI\n\tbool \"pci\"\n")},
	}
}

func menu(t *testing.T, files fstest.MapFS) *Menu {
	t.Helper()
	m, err := ReadMenu(files, "Kconfig", map[string]string{"SRCARCH": "x86"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhy(t *testing.T) {
	m := menu(t, tree())
	if m.Known("FAKE") || !m.Known("KASAN_INLINE") || !m.Known("DEBUG_KERNEL") {
		t.Error("a help text was read, or a symbol was not")
	}
	for _, tt := range []struct{ symbol, want, config, reason string }{
		{"NOPE", "y", "", "no Kconfig file of this kernel has it"},
		{"KPROBES", "y", "", "it depends on HAVE_KPROBES, which is not set; and on MODULES, which is not set (Kconfig:14)"},
		{"KPROBES", "y", "MODULES=y HAVE_KPROBES=y", "it can be set only with (EXPERT || DEBUG_KERNEL) (Kconfig:14)"},
		{"KALLSYMS", "n", "KALLSYMS=y KPROBES=y", "selected by KPROBES"},
		{"KALLSYMS", "n", "KALLSYMS=y", "it cannot be switched off: it can be set only with EXPERT, which is not set (Kconfig:21)"},
		{"HAVE_KPROBES", "y", "", "nobody but other symbols can set it (Kconfig:25)"},
		{"KASAN", "y", "HAVE_KASAN=y STACK_SIZE=0x1000", "it depends on DEBUG_KERNEL, which is not set (Kconfig:38)"},
		{"KASAN", "y", "DEBUG_KERNEL=y SW_TAGS=y STACK_SIZE=0x800", "it depends on STACK_SIZE >= 0x1000 (Kconfig:38)"},
		{"KASAN", "y", "DEBUG_KERNEL=y STACK_SIZE=0x2000 NAME=x86",
			`it depends on (HAVE_KASAN && $(cc-option,-fsanitize=kernel-address) || SW_TAGS); and on NAME != "x86" (Kconfig:38)`},
		{"KASAN", "y", "DEBUG_KERNEL=y HAVE_KASAN=y STACK_SIZE=0x1000", "it can be set only with HAVE_SANITIZERS, which is not set (Kconfig:38)"},
		{"KASAN_INLINE", "y", "DEBUG_KERNEL=y HAVE_SANITIZERS=y KASAN=y KASAN_OUTLINE=y", "KASAN_OUTLINE is chosen instead (Kconfig:47)"},
		{"TRI", "y", "BUS=m", "it depends on BUS, which is m (arch/x86/Kconfig:3)"},
		{"TRI", "m", "BUS=m HOUSE=y", "it depends on (DOOR || !HOUSE) (arch/x86/Kconfig:3)"},
		{"TRI", "m", "BUS=m TRI=y", `the kernel made it "y" (arch/x86/Kconfig:3)`},
		{"PCI", "y", "", `the kernel made it "n" (arch/x86/Kconfig:7)`},
	} {
		var dot strings.Builder
		for word := range strings.FieldsSeq(tt.config) {
			dot.WriteString("CONFIG_" + word + "\n")
		}
		c, err := Parse(strings.NewReader(dot.String()))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Why(tt.symbol, tt.want, c); got != tt.reason {
			t.Errorf("%s=%s with %q:\n got %s\nwant %s", tt.symbol, tt.want, tt.config, got, tt.reason)
		}
	}
}

func TestReadMenuRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"if A\n":                         "Kconfig: a block that begins there does not end there",
		"endif\n":                        "Kconfig:1: end of a if that was not begun",
		"menu \"m\"\nendif\n":            "Kconfig:2: end of a if that was not begun",
		"config A\n\tdepends on (B\n":    `Kconfig:2: expression "(B": ')' is missing`,
		"config A\n\tdepends on B C\n":   `Kconfig:2: expression "B C": unexpected "C"`,
		"config A\n\tdepends on && B\n":  `Kconfig:2: expression "&& B": a symbol is missing`,
		"config A\n\tdepends on B %\n":   `Kconfig:2: expression "B %": not understood from here: "%"`,
		"\tselect A\n":                   "Kconfig:1: select outside of a symbol",
		"source \"../../etc/passwd\"\n":  `Kconfig:1: source "../../etc/passwd" leads out of the tree`,
		"source \"/etc/passwd\"\n":       `Kconfig:1: source "/etc/passwd" leads out of the tree`,
		"source \"Kconfig\"\n":           "too many files, or nested too deeply",
		"source \"missing\"\n":           "file does not exist",
		"if " + strings.Repeat("(", 200): "nested too deeply",
	} {
		_, err := ReadMenu(fstest.MapFS{"Kconfig": {Data: []byte(text)}}, "Kconfig", nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestExpr(t *testing.T) {
	c, _ := Parse(strings.NewReader("CONFIG_Y=y\nCONFIG_M=m\nCONFIG_N10=10\nCONFIG_HEX=0x10\nCONFIG_S=\"text\"\n"))
	for text, want := range map[string]int{
		"Y": 2, "M": 1, "N": 0, "y": 2, "m": 1, "n": 0, "!Y": 0, "!M": 1, "!N": 2, "Y && M": 1, "Y || M": 2, "N || M && Y": 1,
		"!(Y && N)": 2, "N = n": 2, "Y = y": 2, "Y != y": 0, "M=m": 2, "N10 > 9": 2, "N10 >= 11": 0, "HEX = 16": 2, "N10 < 0x10": 2,
		`S = "text"`: 2, `S != "text"`: 0, "S = 'text'": 2, "$(success,true)": 2, `"$(CC)" = "gcc"`: 0, "$(a,$(b)) && Y": 2, "$(x) = y && M": 1,
		"Y = $(x)": 2, "N10 <= 10": 2,
	} {
		e, err := parseExpr(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := e.eval(c); got != want {
			t.Errorf("%s (read as %s) is %d, want %d", text, e, got, want)
		}
	}
}

func FuzzReadMenu(f *testing.F) {
	f.Add(top)
	f.Add("config A\n\tbool \"x\" if B || !C\n\tselect D if E\n\thelp\n\t  text\n")
	f.Add("if $(x) = y && \"a\\\"b\" != Z\nendif\nchoice\nendchoice\n\\")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ReadMenu(fstest.MapFS{"Kconfig": {Data: []byte(text)}}, "Kconfig", nil)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		for symbol := range m.symbols {
			for _, want := range []string{"y", "m", "n"} {
				if m.Why(symbol, want, Config{}) == "" {
					t.Errorf("nothing to say of %s", symbol)
				}
			}
		}
	})
}
