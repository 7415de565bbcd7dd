package dir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
)

// treeFor is a tree that was configured for a, with an image of that kind.
func treeFor(t *testing.T, a arch.Arch, image string) string {
	t.Helper()
	dir := testTree(t, t.TempDir())
	text := strings.Replace(bootable(), "CONFIG_"+build.Kernel.Marks[0]+"=y\n", "", 1)
	for _, symbol := range slices.Concat(a.Kernel.Marks, a.Kernel.Needs) {
		text += "CONFIG_" + symbol + "=y\n"
	}
	write(t, filepath.Join(dir, ".config"), text)
	if err := os.RemoveAll(filepath.Join(dir, "arch")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, a.Kernel.Image), image)
	return dir
}

// imageOf is the beginning of an image as QEMU takes it.
func imageOf(a arch.Arch) string {
	m := magics[a.Kbuild]
	return strings.Repeat("\x00", m.at) + m.text + strings.Repeat("\x00", 999)
}

// A tree for another machine, made here, is built against with the host's compiler for that machine.
func TestATreeForAnotherMachine(t *testing.T) {
	fakeCompilers(t, map[string]string{"gcc": gcc12["gcc"], "aarch64-linux-gnu-gcc-12": "aarch64-linux-gnu-gcc-12 (Debian 12.2.0-14) 12.2.0",
		"s390x-linux-gnu-gcc": "s390x-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0"})
	for name, want := range map[string]string{
		"arm64": "ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc-12",
		"s390x": "ARCH=s390 CROSS_COMPILE=s390x-linux-gnu- CC=s390x-linux-gnu-gcc",
	} {
		a, _ := arch.Named(name)
		s := testSource(t)
		res, err := s.Resolve(t.Context(), kernels.Selector{Source: "dir", Name: treeFor(t, a, imageOf(a))})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := s.Fetch(t.Context(), res.Targets[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		if tree.Target.Arch != a.Name || strings.Join(tree.Root.Make, " ") != want || !strings.HasSuffix(tree.Image, a.Kernel.Image) {
			t.Errorf("%s: %s, %v, %s", name, tree.Target.Arch, tree.Root.Make, tree.Image)
		}
	}
}

func TestATreeForAnotherMachineThatIsOfNoUse(t *testing.T) {
	fakeCompilers(t, gcc12)
	arm64, _ := arch.Named("arm64")
	riscv64, _ := arch.Named("riscv64")
	for want, dir := range map[string]string{
		"there is no aarch64-linux-gnu-gcc here: install gcc-12-aarch64-linux-gnu": treeFor(t, arm64, imageOf(arm64)),
		"it is an image that only EFI unpacks (CONFIG_EFI_ZBOOT); make Image":      treeFor(t, arm64, "MZ\x00\x00zimg"+strings.Repeat("\x00", 99)),
		"it is no kernel image for riscv64; make Image":                            treeFor(t, riscv64, "\x1f\x8b"+strings.Repeat("\x00", 99)),
		"holds no image (arch/riscv/boot/Image): make there":                       withoutImage(t, treeFor(t, riscv64, "")),
	} {
		_, err := resolve(t, dir)
		if !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func withoutImage(t *testing.T, dir string) string {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "arch")); err != nil {
		t.Fatal(err)
	}
	return dir
}
