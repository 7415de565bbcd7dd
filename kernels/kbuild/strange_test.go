package kbuild

import (
	"errors"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

// builtWithGCC14 is a tree whose kernel another compiler built than the one that is here.
func builtWithGCC14(t testing.TB) *kernels.Tree {
	tree := fakeTree(t)
	tree.Root.Compiler = "gcc (Debian 12.2.0-14+deb12u1) 12.2.0"
	tree.Config = kconfig.Parse("CONFIG_CC_VERSION_TEXT=\"gcc-14 (Debian 14.2.0-19) 14.2.0\"\nCONFIG_GCC_VERSION=140200\nCONFIG_CLANG_VERSION=0\n")
	return tree
}

// TestAnOlderCompilerIsNotTheModulesFault: the kernel's makefiles ask for what its own compiler knew.
func TestAnOlderCompilerIsNotTheModulesFault(t *testing.T) {
	const says = "gcc: error: unrecognized command-line option '-fmin-function-alignment=16'; did you mean '-flimit-function-alignment'?"
	script := "echo \"" + says + "\" >&2; exit 1"
	for name, test := range map[string]struct {
		tree  func(testing.TB) *kernels.Tree
		files map[string]string // of the source
		make  []string
		fault bool // of the module
	}{
		"another compiler": {builtWithGCC14, nil, nil, false},
		"its own compiler": {func(t testing.TB) *kernels.Tree {
			tree := builtWithGCC14(t)
			tree.Root.Compiler = "x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"
			return tree
		}, nil, nil, true},
		"nobody says":      {fakeTree, nil, nil, true},
		"the module's own": {builtWithGCC14, map[string]string{"src/Makefile": "ccflags-y += -fmin-function-alignment=16\n"}, nil, true},
		"its own make's":   {builtWithGCC14, map[string]string{"GNUmakefile": "EXTRA = -fmin-function-alignment=16\n"}, nil, true},
		"its configure's":  {builtWithGCC14, map[string]string{"configure": "echo CFLAGS=-fmin-function-alignment=16 > config.mk\n"}, nil, true},
		"the user's own":   {builtWithGCC14, nil, []string{"KCFLAGS=-fmin-function-alignment=16"}, true},
		"in a text of his": {builtWithGCC14, map[string]string{"README": "-fmin-function-alignment\n"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"build": script}
			for file, text := range test.files {
				files[file] = text
			}
			_, log, err := buildIn(t, test.tree(t), source(t, files), test.make...)
			fault := new(Error)
			if err == nil || errors.As(err, &fault) != test.fault {
				t.Fatalf("error is %v", err)
			}
			const want = "build for 6.1.0-56-cloud-amd64: the kernel was built with gcc-14 (Debian 14.2.0-19) 14.2.0, and here is gcc (Debian 12.2.0-14+deb12u1) 12.2.0, " +
				"which does not take its -fmin-function-alignment=16: install gcc-14"
			if !test.fault && err.Error() != want {
				t.Errorf("it says %v", err)
			}
			if !strings.Contains(log, says) {
				t.Error("the log does not say what the compiler said")
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for line, want := range map[string]string{
		"gcc: error: unrecognized command-line option '-fx=1'; did you mean '-fy'?": "-fx=1",
		"cc1: error: unrecognized command line option '-Wx'":                        "-Wx",
		"cc1: error: argument 'x' to '-mindirect-branch=' not recognized":           "-mindirect-branch=",
		"gcc: error: unrecognized argument in option '-mcmodel=x'":                  "-mcmodel=x",
		"gcc: error: unrecognized argument to '-fsanitize=' option: 'kernel-x'":     "-fsanitize=",
		"clang: error: unknown argument: '-fx'":                                     "-fx",
		"clang: error: unsupported option '-fx' for target 'x86_64-linux-gnu'":      "-fx",
		"clang: error: unsupported argument 'y' to option '-fx='":                   "-fx=",
		"error: unknown warning option '-Wx' [-Werror,-Wunknown-warning-option]":    "-Wx",
		"cc1: error: incompatible gcc/plugin versions":                              "gcc/plugin",
		"cc1: error: cannot load plugin ./scripts/gcc-plugins/x.so: no such file":   "./scripts/gcc-plugins/x.so",
		"ld: unrecognized option '--x'":                                             "--x",
		"ld.lld: error: unknown argument '--x'":                                     "--x",
		"foo.c:3:1: error: unknown type name 'u8'":                                  "",
		"foo.c:3:1: error: expected ';' before '-fx'":                               "",
	} {
		if got := refused([]string{"  CC      foo.o", line}); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}
