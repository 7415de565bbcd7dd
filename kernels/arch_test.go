package kernels

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kconfig"
	"github.com/modmatrix/modmatrix/results/arch"
)

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
