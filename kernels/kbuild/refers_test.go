package kbuild

import (
	"slices"
	"strings"
	"testing"
)

func TestRefers(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"Kbuild", "upd-y := upd_main.o ../common/help.o\nccflags-y := -I$(src)/../common", "../common/help.o ../common"},
		{"Makefile", "KBUILD_EXTRA_SYMBOLS := $(src)/../base/Module.symvers", "../base/Module.symvers"},
		{"Makefile", "EXTRA_CFLAGS += -I../inc -I${PWD}/../../lib/include/", "../inc ../../lib/include/"},
		{"Makefile", "ccflags-y := -I$(srctree)/../x -I$(KDIR)/../y -I$(KERNEL_SRC)/../z -I/usr/../w", ""},
		{"Makefile", "include ../config.mk\n-include $(CURDIR)/sub/../x.mk", "../config.mk sub/../x.mk"},
		{"Makefile", "# see ../README\nobj-m := a.o # and ../b\n# ...", ""},
		{"Makefile", "x = ../lib-$(ARCH)/y ../$(X)/z", "../lib- ../"},
		{"Makefile", "all:\n\tcd .. && make\n\t$(MAKE) -C ../..", ".. ../.."},
		{"Makefile", "echo building... a..b 1..2", ""},
		{"build.mk", "cp ../a\\\n ../b .", "../a ../b"},
		{"gen.sh", ". ../env.sh", "../env.sh"},
		{"gen", "#!/bin/sh\ncat ../x", "../x"},
		{"notes", "cat ../x", ""},
		{"a.c", "#include \"../inc/x.h\"\n  # include \"../../y.h\"\n// ../z\n#include <../w.h>\n#include \"in.h\"", "../inc/x.h ../../y.h"},
		{"a.S", ".incbin \"../fw/x.bin\"", "../fw/x.bin"},
		{"m.rs", "#[path = \"../common/lib.rs\"]\ninclude_bytes!(\"../fw.bin\")", "../common/lib.rs ../fw.bin"},
		{"README.md", "../x git", ""},
	} {
		if got := strings.Join(Refers("drv/"+test.name, test.text).Paths, " "); got != test.want {
			t.Errorf("%s: %q: %q, want %q", test.name, test.text, got, test.want)
		}
	}
	for text, want := range map[string]bool{
		"V := $(shell git describe)": true, "$(obj)/v.h: $(src)/.git/HEAD": true, "x: ; GIT_DIR=x git log": true, "# git\n": false, "see github.com, .gitignore": false, "digit": false,
	} {
		if got := Refers("Makefile", text).Git; got != want {
			t.Errorf("%q asks git: %v", text, got)
		}
	}
	if !Refers("Makefile", "T := $(shell git rev-parse --show-toplevel)").Top || Refers("Makefile", "T := $(dir $(KDIR))").Top {
		t.Error("the top")
	}
}

// FuzzRefers: whatever a text holds, what comes out is relative and goes upwards.
func FuzzRefers(f *testing.F) {
	f.Add("Makefile", "-I$(src)/../x ${M}/../y ~/.. ../a$(B)")
	f.Add("a.c", "#include \"../x\"")
	f.Fuzz(func(t *testing.T, name, text string) {
		ref := Refers(name, text)
		if slices.ContainsFunc(ref.Paths, func(p string) bool { return p == "" || !strings.Contains(p, "..") }) {
			t.Errorf("%q", ref.Paths)
		}
	})
}
