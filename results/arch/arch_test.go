package arch

import (
	"debug/elf"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// maybe are fields that mean something where they are empty.
var maybe = map[string]bool{"Bus": true, "SysRq": true, "NoTemplate": true, "NoPlug": true, "NoUSB": true}

// TestRowsAreWhole holds that a row says everything that others read, and that no two rows share a word that stands for one alone.
func TestRowsAreWhole(t *testing.T) {
	seen := map[string]string{}
	for _, a := range All() {
		for _, f := range reflect.VisibleFields(reflect.TypeFor[Arch]()) {
			value := reflect.ValueOf(a).FieldByIndex(f.Index)
			if f.Name != "GoEnv" && f.Name != "Realtime" && f.Type.Kind() == reflect.String && value.String() == "" {
				t.Errorf("%s has no %s", a.Name, f.Name)
			}
		}
		for _, f := range reflect.VisibleFields(reflect.TypeFor[QEMU]()) {
			if f.Type.Kind() == reflect.String && !maybe[f.Name] && reflect.ValueOf(a.QEMU).FieldByIndex(f.Index).String() == "" {
				t.Errorf("%s has no QEMU.%s", a.Name, f.Name)
			}
		}
		for name, l := range map[string]Line{"report": a.QEMU.Report, "terminal": a.QEMU.Terminal} {
			if l.Name == "" || l.Name == a.QEMU.Console || l.Device == "" && a.QEMU.Bus != "" {
				t.Errorf("%s: the %s is %+v", a.Name, name, l)
			}
		}
		if a.QEMU.Report.Name == a.QEMU.Terminal.Name {
			t.Errorf("%s: report and terminal are one", a.Name)
		}
		header := elf.FileHeader{Machine: a.ELF, Class: elf.ELFCLASS32, Data: elf.ELFDATA2LSB}
		if a.Bits == 64 {
			header.Class = elf.ELFCLASS64
		}
		if a.BigEndian {
			header.Data = elf.ELFDATA2MSB
		}
		if got, ok := OfELF(header); !ok || got.Name != a.Name {
			t.Errorf("OfELF(%v) = %s", header, got.Name)
		}
		if k := a.Kernel; len(k.Marks) == 0 || len(k.Needs) == 0 || k.Image == "" || k.Target == "" || k.Defconfig == "" {
			t.Errorf("%s: %+v", a.Name, k)
		}
		if a.Bits != 32 && a.Bits != 64 || a.QEMU.MaxCmdline < 256 {
			t.Errorf("%s: %d bits, %d bytes of command line", a.Name, a.Bits, a.QEMU.MaxCmdline)
		}
		for _, word := range slices.Compact([]string{a.Name, a.Debian, a.Go}) {
			if other := seen[word]; other != "" && other != a.Name {
				t.Errorf("%q is %s and %s", word, other, a.Name)
			}
			seen[word] = a.Name
			if got, ok := Named(word); !ok || got.Name != a.Name {
				t.Errorf("Named(%q) = %s", word, got.Name)
			}
		}
		if got, ok := OfFlavour(a.Flavour); !ok || got.Name != a.Name {
			t.Errorf("OfFlavour(%q) = %s", a.Flavour, got.Name)
		}
	}
}

func TestOfFlavour(t *testing.T) {
	for flavour, want := range map[string]string{"cloud-amd64": "amd64", "rt-686-pae": "i386", "686": "i386", "arm64-16k": "arm64", "armmp-lpae": "armhf",
		"powerpc64le-64k": "ppc64el", "cloud": "", "": "", "generic": "", "amd64x": "", "minimal": ""} {
		if got, ok := OfFlavour(flavour); got.Debian != want || ok != (want != "") {
			t.Errorf("OfFlavour(%q) = %q, %v; want %q", flavour, got.Debian, ok, want)
		}
	}
}

func TestOrder(t *testing.T) {
	names := []string{"sparc", "s390x", "i686", "alpha", "x86_64"}
	slices.SortFunc(names, Order)
	if got := strings.Join(names, " "); got != "x86_64 i686 s390x alpha sparc" {
		t.Error(got)
	}
}
