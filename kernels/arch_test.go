package kernels

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results/arch"
)

// TestNoArchitectureIsNamed holds that what differs between architectures stands in their rows: no other program here has a word for this
// or that one in it. What the kernel's own sources, or files in a fixed form, call by such a word has its row below.
func TestNoArchitectureIsNamed(t *testing.T) {
	named := regexp.MustCompile(`amd64|x86_64|x86-64|aarch64|arm64|armhf|armmp|riscv64|s390x|ppc64|powerpc64`)
	allowed := map[string]string{"dir/image.go": "arm64"} // the one architecture for which QEMU unpacks an image
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "testdata" {
			return fs.SkipDir
		}
		text := ""
		switch {
		case strings.HasSuffix(path, "_test.go"):
		case strings.HasSuffix(path, ".go"):
			text = literals(t, path)
		case strings.HasSuffix(path, ".sh"):
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(data)
		}
		for _, word := range named.FindAllString(text, -1) {
			if allowed[path] != word {
				t.Errorf("%s has the word %s: what differs is a field of results/arch", path, word)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// literals are the texts in a program, without its comments.
func literals(t *testing.T, path string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			all.WriteString(lit.Value + "\n")
		}
		return true
	})
	return all.String()
}

func TestArchOf(t *testing.T) {
	for text, want := range map[string]string{
		"CONFIG_X86_64=y\nCONFIG_64BIT=y\n":                            "amd64",
		"CONFIG_X86_32=y\n":                                            "i386",
		"CONFIG_ARM64=y\nCONFIG_64BIT=y\n":                             "arm64",
		"CONFIG_ARM=y\nCONFIG_CPU_V7=y\n":                              "armhf",
		"CONFIG_ARM=y\nCONFIG_CPU_V6=y\n":                              "",
		"CONFIG_RISCV=y\nCONFIG_64BIT=y\n":                             "riscv64",
		"CONFIG_RISCV=y\nCONFIG_32BIT=y\n":                             "",
		"CONFIG_S390=y\nCONFIG_64BIT=y\n":                              "s390x",
		"CONFIG_PPC64=y\nCONFIG_64BIT=y\nCONFIG_CPU_LITTLE_ENDIAN=y\n": "ppc64el",
		"CONFIG_PPC64=y\nCONFIG_64BIT=y\nCONFIG_CPU_BIG_ENDIAN=y\n":    "",
		"CONFIG_MIPS=y\n":                                              "",
	} {
		if a, ok := ArchOf(kconfig.Parse(text)); a.Debian != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", text, a.Debian, ok)
		}
	}
}

func TestCross(t *testing.T) {
	s390x, _ := arch.Named("s390x")
	if got := strings.Join(append(Cross(s390x), CompilerPackages("gcc-12", s390x)...), " "); got != "ARCH=s390 CROSS_COMPILE=s390x-linux-gnu- gcc-12-s390x-linux-gnu gcc-s390x-linux-gnu" {
		t.Error(got)
	}
	if own := arch.Host(); Cross(own) != nil || len(CompilerPackages("gcc-12", own)) != 1 {
		t.Error("this machine's own kind needs nothing more")
	}
}
