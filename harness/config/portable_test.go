package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
)

// What goes into a bundle means the same where it is opened, and is of no machine.
func TestABundleSaysWhatItsAuthorAsksFor(t *testing.T) {
	_, load := folder(t, `suites = ['lifecycle', 'suites/own']
params = ['a=b']
make = ['V=1']
jobs = 3
out = 'results'
[kernels]
default = ['debian:sid', 'dir:/home/me/linux']
required = ['debian:trixie']
mine = ['debian:bookworm', 'host']
[build]
packages = ['xxd']
[module]
load = ['m']
exclude = ['*.bin']
[guest]
memory_mib = 512
devices = ['edu']
host_devices = ['usb:0bda:8153', 'pci:03:00.0']
plug = { kbd = 'usb-kbd', card = 'edu' }
modules = ['gpio-sim']
firmware = 'fw'
timeout = '3m'
[debian]
mirror = 'http://mine/debian'
`)
	c := load()
	spec, err := c.Spec(Flags{Spec: harness.Spec{Params: []string{"c=d"}, CPUs: 2}})
	if err != nil {
		t.Fatal(err)
	}
	text, left, err := c.Portable(spec)
	if err != nil || !slices.Equal(left, []string{"dir:/home/me/linux", "host"}) {
		t.Fatal(left, err)
	}
	for _, word := range []string{"http", "/home", "jobs", "results", "exclude", "'host", "pci:"} {
		if strings.Contains(string(text), word) {
			t.Errorf("it says %q:\n%s", word, text)
		}
	}
	again, _, _ := c.Portable(spec)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, harness.ConfigName), text, 0o644); err != nil || string(again) != string(text) {
		t.Fatal(err, "it is another text each time")
	}
	opened, err := LoadBundle(dir, "m.tar.zst", []string{"own", "lifecycle"})
	if err != nil {
		t.Fatal(err)
	}
	opened, note, err := opened.Restrict(Flags{})
	if err != nil || note != "modmatrix.toml asks for a device of this machine, which only the command line hands over: --host-device usb:0bda:8153" {
		t.Fatal(note, err)
	}
	theirs, err := opened.Spec(Flags{})
	if err != nil {
		t.Fatal(err)
	}
	want := spec
	want.Kernels, want.Suites, want.Out, want.Jobs, want.Exclude = sel("debian:sid", "debian:trixie"), []string{"lifecycle", "own"}, harness.OutName, 0, nil
	want.Mirror, want.Firmware = "", filepath.Join(dir, harness.BundledFirmware)
	if !reflect.DeepEqual(theirs, want) {
		t.Errorf("got  %+v\nwant %+v", theirs, want)
	}
	if set, err := opened.selectors([]string{"@mine"}); err != nil || len(set) != 1 {
		t.Error(set, err)
	}
}

func TestADefaultConfigurationIsPortable(t *testing.T) {
	c := Default()
	spec, err := c.Spec(Flags{})
	if err != nil {
		t.Fatal(err)
	}
	text, left, err := c.Portable(spec)
	if err != nil || len(left) > 0 || !strings.Contains(string(text), "debian:trixie-backports") {
		t.Errorf("%s %v %v", text, left, err)
	}
}

// A bundle is a stranger's, whoever made it: it names no more of this machine than a folder's file does, and no folder at all.
func TestABundleNamesNothingOfThisMachine(t *testing.T) {
	for text, named := range map[string]string{
		"kernels = ['debian:sid', 'dir:/etc']":                      "dir:/etc",
		"out = '../x'":                                              "out=../x",
		"out = '/etc/x'":                                            "out=/etc/x",
		"out = 'x'":                                                 "out=x",
		"suites = ['own', 'suites/other']":                          "suites=suites/other",
		"suites = ['/etc']":                                         "suites=/etc",
		"[guest]\nfirmware = '/etc'":                                "guest.firmware=/etc",
		"[debian]\nmirror = 'file:///x'":                            "debian.mirror=file:///x",
		"suites = ['own']\n[guest]\nfirmware = 'firmware'":          "",
		"out = 'modmatrix-out'\n[debian]\nmirror = 'http://m/deb'":  "",
		"[kernels]\ndefault = ['debian:sid']\nmine = ['git:/s@v1']": "git:/s@v1",
	} {
		dir := t.TempDir()
		t.Setenv("MODMATRIX_DEBIAN_MIRROR", "http://m/deb")
		if err := os.WriteFile(filepath.Join(dir, harness.ConfigName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := LoadBundle(dir, "m.tar.zst", []string{"own"})
		if err != nil {
			t.Fatal(err)
		}
		kept, note, err := c.Restrict(Flags{})
		want := "modmatrix.toml names " + named + ": ignored, give them on the command line"
		if named == "" {
			want = ""
		}
		if err != nil || note != want {
			t.Errorf("%q: %v\ngot  %q\nwant %q", text, err, note, want)
		}
		if kept.Out != harness.OutName || slices.Contains(kept.Suites, "/etc") {
			t.Errorf("%+v", kept)
		}
		_, _, err = c.Restrict(Flags{Trust: true})
		if (err != nil) != (named != "") || err != nil && !strings.Contains(err.Error(), "--trust is for folders") {
			t.Errorf("%q: %v", text, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, harness.ConfigName), []byte("kernls = 3"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadBundle(dir, "m.tar.zst", nil); err == nil || !strings.HasPrefix(err.Error(), "m.tar.zst: modmatrix.toml:1: unknown key") {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, harness.ConfigName)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, harness.LockName), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := LoadBundle(dir, "m.tar.zst", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Spec(Flags{}); err == nil || strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "m.tar.zst: modmatrix.lock") {
		t.Error(err)
	}
}

func TestAPortableLockPinsNoPath(t *testing.T) {
	l := Lock{Schema: LockSchema, Selectors: []Pinned{{Selector: sel("debian:sid")[0]}, {Selector: sel("dir:/home/me/linux")[0]}, {Selector: sel("host")[0]}}}
	kept := l.Portable()
	if len(kept.Selectors) != 1 || kept.Selectors[0].Selector.String() != "debian:sid" {
		t.Errorf("%+v", kept)
	}
}
