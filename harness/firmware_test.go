package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

func TestTakeFirmware(t *testing.T) {
	top := t.TempDir()
	given := filepath.Join(top, "given")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(given, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	take := func(name string) (string, error) {
		fw, err := takeFirmware(t.Context(), given, filepath.Join(top, name))
		var names []string
		for _, f := range fw.files {
			names = append(names, f.name)
		}
		return strings.Join(names, " ") + " " + fw.digest, err
	}
	write("a.bin", "a")
	write("vendor/b.bin", "b")
	if err := os.Symlink("vendor/b.bin", filepath.Join(given, "c.bin")); err != nil {
		t.Fatal(err)
	}
	first, err := take("one")
	if err != nil || !strings.HasPrefix(first, "a.bin c.bin vendor/b.bin sha256:") {
		t.Errorf("%s, %v", first, err)
	}
	if text, err := os.ReadFile(filepath.Join(top, "one", "c.bin")); string(text) != "b" {
		t.Errorf("a link within the folder: %q, %v", text, err)
	}
	write("a.bin", "A")
	if second, err := take("two"); err != nil || second == first {
		t.Errorf("another content has the same digest: %s, %v", second, err)
	}
	secret := filepath.Join(top, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(given, "d.bin")); err != nil {
		t.Fatal(err)
	}
	if all, err := take("three"); err == nil {
		t.Errorf("a link out of the folder was followed: %s", all)
	}
}

// Of much firmware a guest gets what its modules declare.
func TestFirmwareThatIsChosen(t *testing.T) {
	few := firmware{files: []firmwareFile{{"a.bin", 1}, {"vendor/b.bin.xz", 1}, {"other.bin", 1}}}
	many := firmware{files: append([]firmwareFile{{"huge.bin", allFirmwareBytes}}, few.files...)}
	modules := []kbuild.Module{{Firmware: []string{"a.bin"}}, {Firmware: []string{"vendor/*.bin"}}}
	for want, fw := range map[string]firmware{"a.bin vendor/b.bin.xz other.bin": few, "a.bin vendor/b.bin.xz": many, "": {}} {
		var got []string
		for _, f := range fw.chosen(modules) {
			got = append(got, f.name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestWhatServes(t *testing.T) {
	for alias, want := range map[string]string{
		"":                                       "it names none",
		"pkg-io":                                 "it names none",
		"pci:v00001234d000011E8sv*sd*bc*sc*i*":   "--device edu is one",
		"pci:v*d*sv*sd*bc01sc08i02*":             "--device nvme,serial=1 is one",
		"pci:v0000DEADd0000BEEFsv*sd*bc*sc*i*":   "QEMU emulates no device that it drives (pci:v0000DEAD",
		"usb:v*p*d*dc*dsc*dp*ic03isc01ip02in*":   "--device qemu-xhci,id=x --device usb-mouse,bus=x.0 is one",
		"virtio:d00000004v*":                     "--device virtio-rng-pci is one",
		"dmi*:svnTUXEDO*:":                       "it needs the machine that it is for (dmi*",
		"dmi:*:svnACME:*":                        "it needs the machine that it is for (dmi:*:svnACME:*)",
		"acpi*:ACME0001:*":                       "it needs the machine",
		"platform:acme-ec":                       "it needs the machine",
		"of:N*T*Cacme,x":                         "it needs the machine",
		"i2c:acme":                               "QEMU emulates no device",
		"pci:" + strings.Repeat("v0000DEAD", 30): "…",
	} {
		if got := serves(strings.Fields(alias)); !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", alias, got, want)
		}
	}
}
