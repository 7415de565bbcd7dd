package kbuild

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"
)

const kdirLine = "KDIR ?= /lib/modules/$(shell uname -r)/build\n"

// callKernel is a recipe as most authors have it.
const callKernel = "\t$(MAKE) -C $(KDIR) M=$(CURDIR) modules\n"

func TestTheAuthorsOwnMake(t *testing.T) {
	slowtest.Skip(t)
	for name, test := range map[string]struct {
		files map[string]string // besides a build script and what it makes of
		says  []string          // what lines of the log begin with
		notes string
	}{
		"a plain call": {map[string]string{"Makefile": kdirLine + "all:\n" + callKernel},
			[]string{"# way:      the Makefile's default target, as its users run it", "# command:  make", "make -C /lib/modules/6.1.0-56-cloud-amd64/build M=/build modules"}, ""},
		"what it passes decides": {map[string]string{"Makefile": kdirLine + "all:\n\tmake -C $(KDIR) M=$$PWD CONFIG_A=m V=1 KCPPFLAGS='-I x' modules\n"}, nil,
			"the Makefile's own make passes CONFIG_A=m 'KCPPFLAGS=-I x' to the kernel's: a plain make -C KDIR M= builds something else"},
		"what it exports decides": {map[string]string{"Makefile": kdirLine + "export CONFIG_B := y\nall:\n\t+cd $(KDIR) && make M=$(CURDIR)\n"}, nil,
			"the Makefile's own make passes CONFIG_B=y to the kernel's: a plain make -C KDIR M= builds something else"},
		"what the machine answers": {map[string]string{"GNUmakefile": kdirLine + "all:\n\t@uname -r; uname -sm; uname --machine -r; arch\n" + callKernel},
			[]string{"6.1.0-56-cloud-amd64", "Linux x86_64", "6.1.0-56-cloud-amd64 x86_64", "x86_64"}, ""},
		"jobs": {map[string]string{"Makefile": kdirLine + "all:\n" + callKernel, "build": "cd /build\n" + makeHello + "; echo jobs: $MAKEFLAGS"}, []string{"jobs: w -j2 --jobserver-auth="}, ""},
		"a folder below": {map[string]string{"Makefile": "include mk/*.mk mk/sub.mk\n", "mk/sub.mk": "all:\n\t$(MAKE) -C drv VERSION=3\n",
			"drv/Makefile": kdirLine + "all: out.h\n" + callKernel + "out.h:\n\techo $(VERSION) >$@\n", "drv/build": "cd /build/drv; cat out.h; cp ../hello.bin hello.ko; echo drv/hello.ko >modules.order"},
			[]string{"3"}, ""},
		"named by a variable": {map[string]string{"Makefile": "all:\n\t$(MAKE) -C $(KERNEL_SRC) M=$(PWD)\n"},
			[]string{"# command:  make KERNEL_SRC=/lib/modules/6.1.0-56-cloud-amd64/build"}, ""},
		"a kernel of the author's": {map[string]string{"Makefile": "KVER := 4.4.0\nall:\n\t$(MAKE) -C /lib/modules/$(KVER)/build M=$(PWD) modules\n"},
			[]string{"# command:  make KVER=6.1.0-56-cloud-amd64"}, ""},
		"a kernel that is nowhere": {map[string]string{"Makefile": "all:\n\t$(MAKE) -C /usr/src/linux-4.4 M=$(PWD) modules\n"},
			[]string{"# way:      the kernel's build system alone: the Makefile's own make failed before it called it", "# command:  make -C /usr/src/linux-fake M=/build -j2 modules"},
			"built by the kernel's build system alone: the Makefile's own make failed before it called it (/usr/src/linux-4.4: No such file or directory)"},
		"another target calls": {map[string]string{"Makefile": kdirLine + "help:\n\t@echo see README\nmodules:\n" + callKernel},
			[]string{"see README", "# command:  make modules"}, ""},
		"no target calls": {map[string]string{"Makefile": kdirLine + "help:\n\t@echo see README: make -C KDIR M=.\n"},
			[]string{"see README", "# way:      the kernel's build system alone: the Makefile's default target does not call it"}, ""},
		"only to clean": {map[string]string{"Makefile": kdirLine + "obj-m := hello.o\nclean:\n\t$(MAKE) -C $(KDIR) M=$(CURDIR) $@\n"},
			[]string{"does clean", "# way:      the kernel's build system alone: the Makefile's default target does not call it"}, ""},
		"a tool beside": {map[string]string{"Makefile": kdirLine + "all: tool\n" + callKernel + "tool:\n\t@echo 'tool.c:1:10: fatal error: curses.h: No such file or directory' >&2; exit 1\n"},
			nil, "built by the kernel's build system alone: the Makefile's own make failed before it called it (tool.c:1: curses.h: No such file or directory)"},
		"it installs": {map[string]string{"Makefile": kdirLine + "all: modules\n\t$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install\n\tsudo -E A=b depmod -a\n\t-rmmod hello\n\tmodprobe hello\nmodules:\n" + callKernel},
			[]string{"modmatrix: modules_install does nothing here: no module is installed or loaded", "modmatrix: depmod does nothing here: no module is installed or loaded"}, ""},
		"it installs by hand": {map[string]string{"Makefile": kdirLine + "all: modules\n\tcp hello.ko /usr/x/y || exit 3\nmodules:\n" + callKernel},
			nil, "make failed after it had built hello.ko, and what it would have done then is left aside: cp: cannot create regular file '/usr/x/y': No such file or directory"},
		"it moves them":   {map[string]string{"Makefile": kdirLine + "all:\n" + callKernel + "\tmkdir out; mv hello.ko out/\n"}, nil, ""},
		"it renames them": {map[string]string{"Makefile": kdirLine + "KVER ?= $(shell uname -r)\nall:\n" + callKernel + "\tmv hello.ko our-hello-$(KVER).ko\n"}, nil, ""},
		"it cleans up":    {map[string]string{"Makefile": kdirLine + "all:\n" + callKernel + "\tmkdir out; mv hello.ko out/; rm modules.order\n"}, nil, ""},
		"a configure step": {map[string]string{"configure": "#!/bin/sh\necho 'OUR = CONFIG_C=y' >config.mk\n", "Makefile": kdirLine + "include config.mk\nall:\n\t$(MAKE) -C $(KDIR) M=$(CURDIR) $(OUR)\n"},
			[]string{"# command:  ./configure", "# command:  make"}, "the Makefile's own make passes CONFIG_C=y to the kernel's: a plain make -C KDIR M= builds something else"},
		"by a script": {map[string]string{"Makefile": "all:\n\t@sh ./mk.sh\n", "mk.sh": "exec make -C /lib/modules/`uname -r`/build M=$PWD\n"}, []string{"# way:      the Makefile's default target"}, ""},
		"by another name of make": {map[string]string{"Makefile": kdirLine + "all:\n\t$(shell which make) -C $(KDIR) M=$(CURDIR)\n"},
			[]string{"# way:      the Makefile's default target"}, ""},
		"it tries what the kernel can": {map[string]string{"Makefile": kdirLine + "all:\n\t-@$(MAKE) -C $(KDIR) M=$(CURDIR)/conftest modules\n" + callKernel,
			"conftest/build": "echo '/build/conftest/a.c:1:1: error: no'; exit 1"}, []string{"/build/conftest/a.c:1:1: error: no"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ko, _ := os.ReadFile("testdata/hello.ko")
			files := map[string]string{"hello.bin": string(ko), "build": "cd /build\n" + makeHello + "\n", "Kbuild": "obj-m := hello.o\n"}
			for name, text := range test.files {
				files[name] = text
			}
			dir := source(t, files)
			os.Chmod(filepath.Join(dir, configureScript), 0o755)
			a, log, err := buildIn(t, fakeTree(t), dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Modules) != 1 || a.Modules[0].Name != "hello" || strings.Join(a.Notes, "|") != test.notes {
				t.Errorf("artifact %+v", a)
			}
			for _, line := range test.says {
				if !strings.Contains(log, "\n"+line) {
					t.Errorf("log lacks %q", line)
				}
			}
		})
	}
}

// TestTheAuthorsOwnMakeFails: what the author's users cannot build is not built in another way.
func TestTheAuthorsOwnMakeFails(t *testing.T) {
	slowtest.Skip(t)
	const fails = "echo '/build/a.c:3:1: error: no'; exit 1"
	for name, test := range map[string]struct {
		makefile, build, want string
	}{
		"a compiler":               {"all:\n" + callKernel, fails, "a.c:3: no"},
		"by another name":          {"all:\n\t`which -a make | tail -n1` -C $(KDIR) M=$(CURDIR)\n", "echo '  CC [M]  a.o'; " + fails, "a.c:3: no"},
		"a kernel that is nowhere": {"obj-$(CONFIG_A) += a.o\nall:\n\t$(MAKE) -C /usr/src/linux-4.4 M=$(PWD) CONFIG_A=m\n", "true", "/usr/src/linux-4.4: No such file or directory"},
		"it refuses":               {"$(if $(KDIR),$(error too old for me))\nall:\n" + callKernel, makeHello, "Makefile:2: too old for me"},
		"a step before":            {"all: configure\n" + callKernel + "configure:\n\t@echo no such function; false\n", makeHello, "no such function"},
		"a loop":                   {"all:\n\tfor d in sub .; do $(MAKE) -C $(KDIR) M=$(CURDIR)/$$d; done\n", makeHello, "a.c:3: no"},
		"one of two":               {"all: a b\na:\n\t$(MAKE) -C $(KDIR) M=$(CURDIR)\nb:\n\t$(MAKE) -C $(KDIR) M=$(CURDIR)/sub\n", makeHello, "a.c:3: no"},
		"nothing is built":         {"all:\n" + callKernel, "true", "no module was built"},
		"another is in its place":  {"all:\n" + callKernel + "\tmv hello.ko other.ko; sed -i 's/name=hello/name=other/' other.ko\n", makeHello, "hello.ko was not built, though modules.order lists it: make built other.ko"},
		"a module is removed":      {"all:\n" + callKernel + "\trm hello.ko\n", makeHello, "hello.ko was not built, though modules.order lists it"},
		"a warning of modpost":     {"all:\n" + callKernel, makeHello + "; echo 'WARNING: modpost: \"f\" [/build/hello.ko] undefined!'", "hello.ko: undefined symbol f"},
	} {
		t.Run(name, func(t *testing.T) {
			ko, _ := os.ReadFile("testdata/hello.ko")
			_, _, err := buildIn(t, fakeTree(t), source(t, map[string]string{"hello.bin": string(ko), "Makefile": kdirLine + test.makefile,
				"build": "cd /build\n" + test.build + "\n", "sub/build": "echo '/build/a.c:3:1: error: no'; exit 1\n"}))
			var fault *Error
			if !errors.As(err, &fault) || !strings.HasPrefix(fault.Reason, test.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
}
