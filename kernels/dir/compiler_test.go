package dir

import (
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

func config(_ *testing.T, text string) kconfig.Config { return kconfig.Parse(text) }

func TestCompilerFor(t *testing.T) {
	gcc := func(text, number string) string {
		return "CONFIG_CC_IS_GCC=y\nCONFIG_CC_VERSION_TEXT=\"" + text + "\"\nCONFIG_GCC_VERSION=" + number + "\nCONFIG_CLANG_VERSION=0\n"
	}
	clang := "CONFIG_CC_IS_CLANG=y\nCONFIG_GCC_VERSION=0\nCONFIG_CLANG_VERSION=190107\nCONFIG_CC_VERSION_TEXT=\"Debian clang version 19.1.7 (3)\"\n"
	host := map[string]string{
		"gcc": "gcc (Debian 12.2.0-14) 12.2.0", "gcc-11": "gcc-11 (Debian 11.3.0-12) 11.3.0", "gcc-14": "gcc-14 (Debian 14.2.0-19) 14.2.0",
		"x86_64-linux-gnu-gcc-13": "x86_64-linux-gnu-gcc-13 (Debian 13.3.0-1) 13.3.0", "gcc-ar": "GNU ar 2.40", "gcc-9": "broken",
		"clang-19": "Debian clang version 19.1.7 (3)", "clang-16": "Debian clang version 16.0.6 (15)", "ld.lld-19": "LLD", "clang-format": "x 1.2.3",
		"llvm-ar-19": "", "llvm-nm-19": "", "llvm-objcopy-19": "", "clang-17": "Debian clang version 17.0.6 (1)", "ld.lld-17": "LLD", "llvm-ar-17": "",
	}
	for name, c := range map[string]struct {
		config, notice, fail string
		make                 []string
	}{
		"exact":           {config: gcc("gcc-14 (Debian 14.2.0-19) 14.2.0", "140200"), make: []string{"CC=gcc-14"}},
		"exact, by a":     {config: gcc("x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0", "140200"), make: []string{"CC=gcc-14"}},
		"same, by others": {config: gcc("gcc (Ubuntu 12.2.0-3ubuntu1) 12.2.0", "120200"), make: []string{"CC=gcc"}},
		"same major":      {config: gcc("gcc (GCC) 12.3.1 20230508", "120301"), make: []string{"CC=gcc"}, notice: "built with gcc 12.3.1, modules with this host's gcc 12.2.0"},
		"next newer":      {config: gcc("gcc (GCC) 10.2.1", "100201"), make: []string{"CC=gcc-11"}, notice: "host's gcc 11.3.0"},
		"no newer":        {config: gcc("gcc (GCC) 15.1.0", "150100"), make: []string{"CC=gcc-14"}, notice: "built with gcc 15.1.0, modules with this host's gcc 14.2.0"},
		"nobody says":     {config: "CONFIG_A=y\n", make: []string{"CC=gcc"}},
		"clang":           {config: clang + "CONFIG_LD_IS_LLD=y\n", make: kernels.LLVM("-19")},
		"its assembler":   {config: clang + "CONFIG_AS_IS_LLVM=y\n", make: append(kernels.LLVM("-19"), "LLVM_IAS=1")},
		"GNU's assembler": {config: clang + "CONFIG_AS_IS_GNU=y\n", make: append(kernels.LLVM("-19"), "LLVM_IAS=0")},
		"clang, no nm":    {config: strings.ReplaceAll(clang, "19", "17"), fail: "llvm-nm-17 is missing: install lld-17 and llvm-17"},
		"clang alone":     {config: clang + "CONFIG_LD_IS_BFD=y\n", make: []string{"LLVM=", "CC=clang-19"}},
		"clang, no lld":   {config: strings.ReplaceAll(clang, "19", "16"), fail: "ld.lld-16 is missing: install lld-16 and llvm-16"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeCompilers(t, host)
			got, err := compilerFor(t.Context(), config(t, c.config), build)
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Error(err)
				}
				return
			}
			if err != nil || !slices.Equal(got.make, c.make) || (c.notice == "") != (got.notice == "") || !strings.Contains(got.notice, c.notice) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	fakeCompilers(t, map[string]string{"clang": "clang version 18.1.3"})
	if _, err := compilerFor(t.Context(), config(t, gcc("gcc-14 (Debian) 14.2.0", "140200")), build); err == nil || !strings.Contains(err.Error(), "there is no gcc here: install gcc-14") {
		t.Error(err)
	}
}
