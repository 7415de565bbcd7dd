package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
)

// folder writes a module's folder with that configuration, in a repository beside which lies another folder.
func folder(t *testing.T, text string) (dir string, load func() Config) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "repository", "drv")
	for _, d := range []string{"repository/.git", "repository/drv/suites/own", "repository/tests/near", "elsewhere/suite"} {
		if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(top, "elsewhere"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", filepath.Join(top, "state"))
	t.Setenv("MODMATRIX_DEBIAN_MIRROR", "http://mine/debian")
	path := filepath.Join(dir, harness.ConfigName)
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(text)
	return dir, func() Config {
		c, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func TestAFolderNamesNothingOfThisMachine(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		text  string
		flags Flags
		named string // empty: nothing is said
	}{
		{"kernels = ['debian:sid', 'dir:tree']", Flags{}, "dir:tree"},
		{"[kernels]\ndefault = ['debian:sid']\nrequired = ['host', 'here']\nmine = ['git:/src@v6.1', 'tar:x']", Flags{}, "git:/src@v6.1, here, host and tar:x"},
		{"kernels = ['debian:sid', 'host:6.1']\nout = '" + out + "'", Flags{}, "host:6.1 and out=" + out},
		{"out = '../../out'", Flags{}, "out=DIR/../../out"},
		{"out = 'link/out'", Flags{}, "out=DIR/link/out"},
		{"suites = ['link/suite']", Flags{}, "suites=DIR/link/suite"},
		{"suites = ['../../elsewhere/suite', 'lifecycle']", Flags{}, "suites=DIR/../../elsewhere/suite"},
		{"[guest]\nfirmware = '../../elsewhere'", Flags{}, "guest.firmware=DIR/../../elsewhere"},
		{"[guest]\nfirmware = 'link'", Flags{}, "guest.firmware=DIR/link"},
		{"[debian]\nmirror = 'http://other/debian'", Flags{}, "debian.mirror=http://other/debian"},
		{"[debian]\nsecurity_mirror = 'file:///x'", Flags{}, "debian.security_mirror=file:///x"},
		// The control: what is said on the command line, and what an author's own folder names.
		{"kernels = ['debian:sid', 'dir:tree']", Flags{Kernels: []string{"dir:tree"}}, ""},
		{"kernels = ['debian:sid', 'dir:tree']", Flags{Kernels: []string{"debian:sid"}}, ""},
		{"out = '" + out + "'", Flags{Spec: harness.Spec{Out: out}}, ""},
		{"[debian]\nmirror = 'http://mine/debian'", Flags{}, ""},
		{"[guest]\nfirmware = '../tests'", Flags{}, ""},
		{"[guest]\nfirmware = 'link'", Flags{Spec: harness.Spec{Firmware: "/lib/firmware"}}, ""},
		{"kernels = ['debian:all', 'debian:trixie@6.12']\nsuites = ['lifecycle', 'suites/own', '../tests/near']\nparams = ['a=b']\nout = 'build/out'\n" +
			"[guest]\ndevices = ['edu']\nmemory_mib = 512", Flags{}, ""},
	} {
		dir, load := folder(t, c.text)
		want := ""
		if c.named != "" {
			want = "modmatrix.toml names " + strings.ReplaceAll(c.named, "DIR/../../", filepath.Dir(filepath.Dir(dir))+"/") + ": ignored, give them on the command line or --trust"
			want = strings.ReplaceAll(want, "DIR", dir)
		}
		kept, note, err := load().Restrict(c.flags)
		if err != nil || note != want {
			t.Errorf("%s: %v\ngot  %q\nwant %q", c.text, err, note, want)
		}
		if _, again, err := kept.Restrict(Flags{}); err != nil || again != "" && c.named != "" {
			t.Errorf("%s: what is left still names something: %q, %v", c.text, again, err)
		}
	}
}

// TestAFileThatBlocksIsRefused gives a FIFO, and a link to what never ends, in place of the files.
func TestAFileThatBlocksIsRefused(t *testing.T) {
	for name, read := range map[string]func(path string) error{
		harness.ConfigName: func(path string) error { _, err := Load(path); return err },
		harness.LockName:   func(path string) error { _, err := ReadLock(path); return err },
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := read(path); err != nil { // the control
			t.Errorf("%s is not there: %v", name, err)
		}
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := read(path); err == nil || !strings.Contains(err.Error(), name+" is no regular file") {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(os.Remove(path), os.Symlink("/dev/zero", path)); err != nil {
			t.Fatal(err)
		}
		if err := read(path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoKernelIsLeft(t *testing.T) {
	_, load := folder(t, "kernels = ['dir:tree']")
	if _, _, err := load().Restrict(Flags{}); err == nil || !strings.Contains(err.Error(), "dir:tree: ignored") || !strings.Contains(err.Error(), "no kernel is left") {
		t.Error(err)
	}
}

// A file says which device it wants. What is said of it is a hint, and trust changes nothing.
func TestNoFileHandsADeviceOver(t *testing.T) {
	const wants = "modmatrix.toml asks for a device of this machine, which only the command line hands over: --host-device usb:0bda:8153"
	_, load := folder(t, "[guest]\nhost_devices = ['usb:0bda:8153', 'pci:03:00.0']")
	for _, trust := range []bool{false, true, false} {
		c, note, err := load().Restrict(Flags{Trust: trust})
		if err != nil || note != wants+" and --host-device pci:03:00.0" {
			t.Errorf("trust %v: %q, %v", trust, note, err)
		}
		if s, err := c.Spec(Flags{}); err != nil || len(s.HostDevices) > 0 {
			t.Errorf("trust %v: it hands over %q, %v", trust, s.HostDevices, err)
		}
	}
	flags := Flags{Spec: harness.Spec{HostDevices: []string{"pci:03:00.0"}}}
	c, note, err := load().Restrict(flags)
	if err != nil || note != wants {
		t.Errorf("one is given: %q, %v", note, err)
	}
	if s, err := c.Spec(flags); err != nil || len(s.HostDevices) != 1 || s.HostDevices[0] != "pci:03:00.0" {
		t.Errorf("of the command line: %q, %v", s.HostDevices, err)
	}
	if _, err := c.Spec(Flags{Spec: harness.Spec{HostDevices: []string{"usb:x"}}}); err == nil || !strings.HasPrefix(err.Error(), `--host-device: "usb:x" is no device of this machine: write usb:VVVV:PPPP`) {
		t.Errorf("got %v", err)
	}
}

// What is trusted is this file in this folder, until it changes.
func TestTrustEndsWithTheFile(t *testing.T) {
	const text = "kernels = ['debian:sid', 'dir:tree']"
	dir, load := folder(t, text)
	says := func(what string, c Config, flags Flags, want string) {
		t.Helper()
		kept, note, err := c.Restrict(flags)
		if err != nil || !strings.Contains(note, want) {
			t.Errorf("%s: %q, %v", what, note, err)
		}
		if has := slices.ContainsFunc(kept.Kernels, kernels.Selector.Local); has != (want == "trusted") {
			t.Errorf("%s: %v", what, kept.Kernels)
		}
	}
	says("at first", load(), Flags{}, "ignored")
	says("with --trust", load(), Flags{Trust: true}, "trusted")
	says("from then on", load(), Flags{}, "trusted")
	other := filepath.Join(t.TempDir(), harness.ConfigName)
	if err := os.WriteFile(other, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(other); err != nil {
		t.Error(err)
	} else {
		says("the same file elsewhere", c, Flags{}, "ignored")
	}
	if err := os.WriteFile(filepath.Join(dir, harness.ConfigName), []byte(text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	says("changed", load(), Flags{}, "ignored")
	t.Setenv("XDG_STATE_HOME", "/dev/null")
	says("where nothing can be kept", load(), Flags{Trust: true}, "trusted")
}
