package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

const release = "6.1.0-56-amd64"

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// layouts are how distributions lay an installed kernel out, as far as finding it goes.
var layouts = map[string]struct {
	make               func(t *testing.T, root string)
	image, modules, at string
}{
	"Debian": {func(t *testing.T, root string) {
		write(t, root+"/boot/vmlinuz-"+release, "image")
		write(t, root+"/lib/modules/"+release+"/modules.dep", "")
		link(t, root+"/usr/src/linux-headers-"+release, root+"/lib/modules/"+release+"/build")
		write(t, root+"/usr/src/linux-headers-"+release+"/Makefile", "")
	}, "boot/vmlinuz-" + release, "lib/modules/" + release, "usr/src/linux-headers-" + release},
	"merged usr": {func(t *testing.T, root string) {
		write(t, root+"/boot/vmlinuz-"+release, "image")
		link(t, "usr/lib", root+"/lib")
		write(t, root+"/usr/lib/modules/"+release+"/modules.dep", "")
		link(t, "../../../src/linux-headers-"+release, root+"/usr/lib/modules/"+release+"/build")
		write(t, root+"/usr/src/linux-headers-"+release+"/Makefile", "")
	}, "boot/vmlinuz-" + release, "lib/modules/" + release, "usr/src/linux-headers-" + release},
	"Arch": {func(t *testing.T, root string) {
		write(t, root+"/boot/vmlinuz-linux", "image")
		write(t, root+"/usr/lib/modules/"+release+"/vmlinuz", "image")
		write(t, root+"/usr/lib/modules/"+release+"/build/Makefile", "")
	}, "usr/lib/modules/" + release + "/vmlinuz", "usr/lib/modules/" + release, "usr/lib/modules/" + release + "/build"},
	"openSUSE": {func(t *testing.T, root string) {
		objects := "/usr/src/linux-6.1.0-56-obj/x86_64/amd64"
		link(t, "usr/lib", root+"/lib")
		write(t, root+"/usr/lib/modules/"+release+"/vmlinuz", "image")
		link(t, root+objects, root+"/usr/lib/modules/"+release+"/build")
		write(t, root+objects+"/Makefile", "include ../../../linux-6.1.0-56/Makefile\n")
	}, "lib/modules/" + release + "/vmlinuz", "lib/modules/" + release, "usr/src/linux-6.1.0-56-obj/x86_64/amd64"},
	"Fedora": {func(t *testing.T, root string) {
		write(t, root+"/lib/modules/"+release+"/vmlinuz", "image")
		link(t, "/nowhere", root+"/lib/modules/"+release+"/build")
		write(t, root+"/usr/src/kernels/"+release+"/Makefile", "")
	}, "lib/modules/" + release + "/vmlinuz", "lib/modules/" + release, "usr/src/kernels/" + release},
}

func source(t *testing.T, root string) *Source {
	t.Helper()
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return New(st, Config{Root: root, Release: release})
}

func TestFindsInstalledKernels(t *testing.T) {
	for name, l := range layouts {
		root := t.TempDir()
		l.make(t, root)
		s := source(t, root)
		k, err := s.find(release)
		if err != nil {
			t.Error(name, err)
			continue
		}
		if k.Image != filepath.Join(root, l.image) || k.Modules != filepath.Join(root, l.modules) || k.KDIR != filepath.Join(root, l.at) || k.Source != "host:"+release {
			t.Errorf("%s: %+v", name, k)
		}
		if installed := strings.Join(s.Installed(), " "); installed != release {
			t.Errorf("%s: installed: %s", name, installed)
		}
	}
}

// The running kernel as it runs needs no image: it is not booted.
func TestHereNeedsNoImage(t *testing.T) {
	root := t.TempDir()
	layouts["Debian"].make(t, root)
	if err := os.RemoveAll(filepath.Join(root, "boot")); err != nil {
		t.Fatal(err)
	}
	s := source(t, root)
	s.cfg.Here = true
	if k, err := s.find(release); err != nil || k.Source != "here" || !k.Runs || k.Image != "" || k.KDIR == "" {
		t.Errorf("%+v %v", k, err)
	}
}

func TestDistribution(t *testing.T) {
	for text, want := range map[string]string{
		"ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n": "Debian GNU/Linux 12 (bookworm)",
		"ID=arch\n": "arch", "ID=mine\nVERSION_ID=3\n": "mine 3", "": "",
	} {
		root := t.TempDir()
		write(t, root+"/etc/os-release", text)
		if got := named(root); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWhatIsMissingIsNamedAsItsPackage(t *testing.T) {
	without := func(paths ...string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			for _, p := range paths {
				if err := os.RemoveAll(filepath.Join(root, p)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	noHeaders := without("usr/src")
	for name, c := range map[string]struct {
		system string // os-release
		spoil  func(*testing.T, string)
		says   string
		known  bool
	}{
		"debian":    {"ID=debian\n", noHeaders, "headers are not installed", true},
		"the cure":  {"ID=debian\n", noHeaders, "build leads nowhere): sudo apt install linux-headers-" + release, true},
		"derived":   {"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", noHeaders, "sudo apt install linux-headers-" + release, true},
		"fedora":    {"ID=fedora\n", noHeaders, "sudo dnf install kernel-devel-" + release, true},
		"rocky":     {"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", noHeaders, "sudo dnf install kernel-devel-" + release, true},
		"opensuse":  {"ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", noHeaders, "sudo zypper install 'kernel-amd64-devel=6.1.0-56'", true},
		"arch":      {"ID=arch\n", noHeaders, "sudo pacman -S linux-headers", true},
		"alpine":    {"ID=alpine\n", noHeaders, "doas apk add linux-amd64-dev", true},
		"unknown":   {"ID=mine\nPRETTY_NAME=\"Mine 1\"\n", noHeaders, "install the headers of the kernel " + release + " with the package manager of Mine 1", true},
		"no system": {"", noHeaders, "with the package manager of this system", true},
		"no image":  {"ID=debian\n", without("boot"), "its image is in neither /boot nor", true},
		"nothing":   {"ID=ubuntu\n", without("boot", "lib"), "though it runs: it was booted from outside, as under a container or a microVM; no kernel is: sudo apt install linux-image-generic", false},
		"no mods":   {"ID=debian\n", without("lib"), "its modules are not in /lib/modules: sudo apt install linux-image-" + release, true},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			layouts["Debian"].make(t, root)
			if c.system != "" {
				write(t, root+"/etc/os-release", "NAME=x\n"+c.system)
			}
			c.spoil(t, root)
			_, err := source(t, root).Resolve(t.Context(), kernels.Selector{Source: "host"})
			want := kernels.ErrUnavailable
			if !c.known {
				want = kernels.ErrNoMatch
			}
			if !errors.Is(err, want) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v; want %q", err, c.says)
			}
			if e, ok := errors.AsType[*kernels.IncompleteError](err); ok != c.known || ok && (e.Release != release || e.Version != "6.1.0") {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestWhatIsNotInstalledNamesWhatIs(t *testing.T) {
	root := t.TempDir()
	layouts["Debian"].make(t, root)
	for _, name := range []string{"6.1.0-99-amd64", "../../etc", ".."} {
		_, err := source(t, root).Resolve(t.Context(), kernels.Selector{Source: "host", Name: name})
		if !errors.Is(err, kernels.ErrNoMatch) || !strings.Contains(err.Error(), "installed: "+release) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLockedImage is what Ubuntu does to images. Root reads them all the same.
func TestLockedImage(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads every file")
	}
	root := t.TempDir()
	layouts["Debian"].make(t, root)
	if err := os.Chmod(root+"/boot/vmlinuz-"+release, 0); err != nil {
		t.Fatal(err)
	}
	_, err := source(t, root).Resolve(t.Context(), kernels.Selector{Source: "host"})
	if err == nil || !strings.Contains(err.Error(), "may not be read by you: sudo chmod a+r "+root+"/boot/vmlinuz-"+release) {
		t.Error(err)
	}
	write(t, root+"/lib/modules/"+release+"/vmlinuz", "another")
	if k, err := source(t, root).find(release); err != nil || k.Image != root+"/lib/modules/"+release+"/vmlinuz" {
		t.Errorf("the readable one is not taken: %+v %v", k, err)
	}
}

func TestPackages(t *testing.T) {
	for _, c := range []struct {
		id      string
		part    part
		release string
		want    string
	}{
		{"fedora", image, "6.11.4-301.fc41.x86_64", "sudo dnf install kernel-core-6.11.4-301.fc41.x86_64"},
		{"fedora", headers, "6.11.4-301.fc41.x86_64+debug", "sudo dnf install kernel-debug-devel-6.11.4-301.fc41.x86_64"},
		{"fedora", image, "", "sudo dnf install kernel-core"},
		{"sles", headers, "6.4.0-150600.23.25-default", "sudo zypper install 'kernel-default-devel=6.4.0-150600.23.25'"},
		{"sles", image, "", "sudo zypper install kernel-default"},
		{"arch", headers, "6.12.1-arch1-1", "sudo pacman -S linux-headers"},
		{"arch", headers, "6.6.60-1-lts", "sudo pacman -S linux-lts-headers"},
		{"alpine", image, "6.6.58-0-virt", "doas apk add linux-virt"},
		{"alpine", image, "", "doas apk add linux-lts"},
	} {
		if got := (distribution{id: c.id, root: t.TempDir()}).install(c.part, c.release); got != c.want {
			t.Errorf("%s %s: %s", c.id, c.release, got)
		}
	}
}

func TestFlavour(t *testing.T) {
	for release, want := range map[string]string{
		"6.1.0-56-amd64": "amd64", "6.1.0-56-cloud-amd64": "cloud-amd64", "6.12.107+deb13-rt-amd64": "rt-amd64", "7.3-rc4-amd64": "amd64",
		"6.8.0-31-generic": "generic", "6.11.4-301.fc41.x86_64": "", "6.12.1-arch1-1": "", "6.4.0-150600.23.25-default": "default", "6.12.0": "", "6.6.60-1-lts": "lts",
	} {
		if got := flavour(release); got != want {
			t.Errorf("%s: %q", release, got)
		}
	}
}
