package debian

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
)

// otherMachines is an archive with a kernel for arm64 in the release and a newer one in its security suite, one for s390x whose compiler
// is not there, and none for riscv64.
func otherMachines(t *testing.T) *archive {
	t.Helper()
	a := newArchive(t)
	a.kernel("bookworm", "6.1.0-50-amd64", "6.1.176-1")
	a.meta("bookworm", "6.1.0-50-amd64", "6.1.176-1")
	a.add("bookworm", deb{"libelf1", "0.188-2", "amd64", "", nil},
		deb{"gcc-12-aarch64-linux-gnu", "12.2.0-14cross1", "amd64", "", nil},
		deb{"gcc-aarch64-linux-gnu", "4:12.2.0-3", "amd64", "", nil},
		deb{"gcc-12", "12.2.0-14", "arm64", "", nil})
	a.kernelFor("arm64", "bookworm", "6.1.0-50-arm64", "6.1.176-1")
	a.kernelFor("s390x", "bookworm", "6.1.0-50-s390x", "6.1.176-1")
	a.kernelFor("arm64", "bookworm-security", "6.1.0-57-arm64", "6.1.193-1")
	a.add("bookworm-security", deb{"linux-kbuild-6.1.0-57", "6.1.193-1", "amd64", "libelf1", map[string]string{"/usr/lib/linux-kbuild-6.1.0-57/scripts/modpost": "#!"}})
	a.add("bookworm-updates")
	a.publish()
	return a
}

// kernelFor adds the packages of another machine's kernel, with its own kbuild, which cannot run here.
func (a *archive) kernelFor(of, suite, release, version string) {
	abi := strings.TrimSuffix(release, "-"+of)
	exact := " (= " + version + ")"
	headers := "/usr/src/linux-headers-" + release
	a.add(suite,
		deb{"linux-headers-" + release, version, of, "gcc-12, linux-headers-" + abi + "-common" + exact + ", linux-kbuild-" + abi,
			map[string]string{headers + "/Makefile": "include", headers + "/.config": "CONFIG_A=y\n"}},
		deb{"linux-headers-" + abi + "-common", version, "all", "", map[string]string{"/usr/src/linux-headers-" + abi + "-common/Makefile": "all:"}},
		deb{"linux-kbuild-" + abi, version, of, "libelf1", map[string]string{"/usr/lib/linux-kbuild-" + abi + "/scripts/modpost": "not for here"}},
		deb{"linux-image-" + release, version, of, "kmod, linux-base", map[string]string{
			"/boot/vmlinux-" + release: "image " + version, "/boot/config-" + release: "CONFIG_A=m\n",
			"/lib/modules/" + release + "/kernel/virtio.ko": "ELF", "/lib/modules/" + release + "/modules.builtin": "kernel/tty.ko\n"}},
		deb{"linux-image-" + of, version, of, "linux-image-" + release + exact, nil})
}

func TestKernelOfAnotherMachine(t *testing.T) {
	slowtest.Skip(t)
	a := otherMachines(t)
	s := a.source()
	target := resolved(t, s, "debian:bookworm%arm64")
	if target.Release != "6.1.0-57-arm64" || target.Arch != "aarch64" || target.Source != "debian:bookworm" || target.Check() != nil {
		t.Fatalf("%+v, %v", target, target.Check())
	}
	if got := strings.Join(target.RootPkgs, " "); got != "gcc-12-aarch64-linux-gnu gcc-aarch64-linux-gnu libelf1" {
		t.Errorf("the root has %s", got)
	}
	tree, err := s.Fetch(t.Context(), target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(tree.Image, "boot/vmlinux-6.1.0-57-arm64") || strings.Join(tree.Root.Make, " ") != "ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-" {
		t.Errorf("image %s, make %v", tree.Image, tree.Root.Make)
	}
	if tree.Root.Compiler != "aarch64-linux-gnu-gcc-12 (Debian) 12.2.0" || !slices.Contains(given(t), "--architectures=amd64") {
		t.Errorf("compiler %s, made by %v", tree.Root.Compiler, given(t))
	}
	modpost, err := os.ReadFile(filepath.Join(tree.Dir, "usr/lib/linux-kbuild-6.1.0-57/scripts/modpost"))
	if err != nil || string(modpost) != "#!" {
		t.Errorf("modpost is %q, %v: it must run on this machine", modpost, err)
	}
	if own := resolved(t, s, "debian:bookworm"); own.Release != "6.1.0-50-amd64" {
		t.Errorf("without an architecture: %s", own.Release)
	}
	s.cfg.Offline = true
	if again, err := s.Fetch(t.Context(), target, nil); err != nil || again.Dir != tree.Dir {
		t.Errorf("from the store: %v", err)
	}
	ofOther := func(t kernels.Target) bool { return t.Arch == target.Arch }
	if known := s.Known(); !slices.ContainsFunc(known, ofOther) || !slices.ContainsFunc(known, func(t kernels.Target) bool { return !ofOther(t) }) {
		t.Errorf("known are %v", known)
	}
}

func TestKernelOfAnotherMachineThatCannotBeHad(t *testing.T) {
	slowtest.Skip(t)
	a := otherMachines(t)
	s := a.source()
	for text, want := range map[string]struct {
		is   error
		says string
	}{
		"debian:bookworm%riscv64":       {kernels.ErrNoMatch, "bookworm has no kernels for riscv64"},
		"debian:bookworm%s390x":         {kernels.ErrUnavailable, "6.1.0-50-s390x cannot be built for on amd64: bookworm has no gcc-12-s390x-linux-gnu"},
		"debian:bookworm/arm64-16k":     {kernels.ErrNoMatch, "bookworm has no kernel of flavour arm64-16k; it has arm64"},
		"debian:bookworm@6.12%arm64":    {kernels.ErrNoMatch, "bookworm has no 6.12; it has 6.1.176 6.1.193"},
		"debian:bookworm/cloud-riscv64": {kernels.ErrNoMatch, "bookworm has no kernels for riscv64"},
	} {
		_, err := s.Resolve(t.Context(), selector(t, text))
		if err == nil || !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%s: %v; want %s", text, err, want.says)
		}
	}
}

// A mirror may carry an optional suite for some architectures only, or be behind with one: the others' kernels are there all the same.
func TestIndexOfAnotherMachineIsBehind(t *testing.T) {
	slowtest.Skip(t)
	a := otherMachines(t)
	a.write(filepath.Join(a.dir, "dists/bookworm-security/main/binary-arm64/Packages"), "Package: other\n")
	s := a.source()
	res, err := s.Resolve(t.Context(), selector(t, "debian:bookworm%arm64"))
	if err != nil {
		t.Fatal(err)
	}
	if res.Targets[0].Release != "6.1.0-50-arm64" || !strings.Contains(strings.Join(res.Notices, "\n"), "no index of bookworm-security for arm64") {
		t.Errorf("%s, %q", res.Targets[0].Release, res.Notices)
	}
	if own := resolved(t, s, "debian:bookworm"); own.Release != "6.1.0-50-amd64" {
		t.Error("this machine's own kernels are not to change by that")
	}
}

func TestImageNamesOfAllMachines(t *testing.T) {
	for name, want := range map[string]string{
		"linux-image-6.1.0-50-686":                      "i386 6.1.0-50-686 686",
		"linux-image-6.1.0-50-686-pae":                  "i386 6.1.0-50-686-pae 686-pae",
		"linux-image-6.1.0-50-rt-686-pae":               "i386 6.1.0-50-rt-686-pae rt-686-pae",
		"linux-image-6.1.0-50-686-pae-unsigned":         "",
		"linux-image-686-pae":                           "",
		"linux-image-6.12.117+deb13-arm64-16k":          "arm64 6.12.117+deb13-arm64-16k arm64-16k",
		"linux-image-6.12.117+deb13-arm64-16k-unsigned": "",
		"linux-image-6.12.117+deb13-arm64-16k-dbg":      "",
		"linux-image-6.12.117+deb13-cloud-arm64":        "arm64 6.12.117+deb13-cloud-arm64 cloud-arm64",
		"linux-image-6.1.0-50-armmp-lpae":               "armhf 6.1.0-50-armmp-lpae armmp-lpae",
		"linux-image-6.12.117+deb13-powerpc64le-64k":    "ppc64el 6.12.117+deb13-powerpc64le-64k powerpc64le-64k",
		"linux-image-6.12.117+deb13-riscv64":            "riscv64 6.12.117+deb13-riscv64 riscv64",
		"linux-image-5.10.0-32-s390x":                   "s390x 5.10.0-32-s390x s390x",
		"linux-image-6.12.117+deb13-loong64":            "",
	} {
		got := ""
		for _, a := range arch.All() {
			if m := imageName(a).FindStringSubmatch(name); m != nil {
				got += strings.TrimSpace(a.Debian + " " + m[1] + " " + m[3])
			}
		}
		if got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
}
