package kbuild

import (
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
)

func TestMakeCommand(t *testing.T) {
	clang := kconfig.Parse("CONFIG_CC_IS_CLANG=y\n")
	for name, test := range map[string]struct {
		r    Request
		want string
	}{
		"plain":  {Request{Tree: &kernels.Tree{KDIR: "/k"}}, "make -C /k M=/build -j1 modules"},
		"all":    {Request{Tree: &kernels.Tree{KDIR: "/k"}, Jobs: 3, Source: Source{Folder: "src/drv"}, Make: []string{"A=b c", "CONFIG_X=m"}}, "make -C /k M=/build/src/drv -j3 'A=b c' CONFIG_X=m modules"},
		"clang":  {Request{Tree: &kernels.Tree{KDIR: "/k", Config: clang}}, "make -C /k M=/build -j1 LLVM=1 modules"},
		"a copy": {Request{Tree: &kernels.Tree{KDIR: "/k"}, Make: make([]string, 0, 9)}, "make -C /k M=/build -j1 modules"},
	} {
		if got := results.ShellLine(makeCommand(test.r)...); got != test.want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestCheckMakeArg(t *testing.T) {
	for arg, ok := range map[string]bool{
		"A=b": true, "CONFIG_X=": true, "EXTRA_CFLAGS=-DA=1 -DB": true, "_a1=$(x)": true,
		"": false, "clean": false, "-j9": false, "--eval=x": false, "A b=c": false, "1A=b": false, "=x": false, "A+=b": false,
		"M=/": false, "O=/x": false, "KBUILD_OUTPUT=x": false, "KBUILD_MODPOST_WARN=1": false, "SHELL=/x": false,
		"A=b\nc": false, "A=b\x00": false,
	} {
		if err := checkMakeArg(arg); (err == nil) != ok {
			t.Errorf("%q: %v", arg, err)
		}
	}
}

// TestWithoutBTF: the step is left out only where it would be tried and cannot be done.
func TestWithoutBTF(t *testing.T) {
	btf := kconfig.Parse("CONFIG_DEBUG_INFO_BTF_MODULES=y\n")
	for name, test := range map[string]struct {
		config kconfig.Config
		files  map[string]string
		off    bool
	}{
		"no BTF":     {kconfig.Config{}, map[string]string{"k/vmlinux": ""}, false},
		"no vmlinux": {btf, map[string]string{"k/Makefile": ""}, false},
		"pahole":     {btf, map[string]string{"k/vmlinux": "", "usr/bin/pahole": ""}, false},
		"no pahole":  {btf, map[string]string{"k/vmlinux": ""}, true},
	} {
		root := source(t, test.files)
		v, err := sandbox.Layout(kernels.Root{Dir: root}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := withoutBTF(v, &kernels.Tree{KDIR: "/k", Config: test.config}); (got != nil) != test.off {
			t.Errorf("%s: %v", name, got)
		}
	}
}
