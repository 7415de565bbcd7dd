package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

func TestNamesOfPackages(t *testing.T) {
	for name, want := range map[string]string{"fifo": "fifo-dkms", "My_Drv": "my-drv-dkms", "x-dkms": "x-dkms", "r8125~x": "r8125-x-dkms"} {
		if got := (&content{Made: Made{Name: name}}).DebName(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for version, want := range map[string]string{"1.0": "1.0 1.0", "v1.2-rc1": "1.2-rc1 v1.2.rc1", "r12_3": "0+r12+3 r12_3"} {
		c := &content{Made: Made{Version: version}}
		if got := c.DebVersion() + " " + c.RPMVersion(); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
	long := content{Made: Made{Name: "x"}, facts: facts{Description: "A driver for the very long name of a thing that nobody has in his house."}}
	if got, want := long.Synopsis(), "driver for the very long name of a thing that nobody has in (DKMS source)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The templates say what is known, and nothing of a source reaches a shell or a macro.
func TestTemplates(t *testing.T) {
	r := request(t, RPM, files(t, "Makefile", "obj-m := a.o\n", "a.c", strings.Replace(source, "Drives", "$(id) %(id) `id` Drives", 1)))
	r.Results = resultsOf("6.1.192=PASS")
	c, err := r.collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, name := range []string{"kmod.spec", "debian/changelog", "debian/control", "debian/copyright", "debian/rules"} {
		to := filepath.Join(t.TempDir(), "filled")
		if err := c.fill(name, to); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		text += string(data)
	}
	for _, want := range []string{"Maintainer: A. Packager <p@example.org>\n", "-- A. Packager <p@example.org>  Tue, 14 Nov 2023 22:13:20 +0000\n", "* Tue Nov 14 2023 A. Packager",
		"License:        GPL-2.0 OR MIT\n", "grep -Eq '^(6[.]1)[.]'", "Copyright (c) 2019-2024 A. Author", "(id) (id) id Drives the thing, and the other.\n", "which DKMS builds for the kernels that\n are installed: (id) (id) id Drives", "common-licenses/GPL-2.\n", "kernels 6.1."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, bad := range []string{"$(id", "%(id", "`id`", "<no value>"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s in\n%s", bad, text)
		}
	}
}

// Whatever a source says, what is taken from it is a short line without a character that a shell or a spec obeys.
func FuzzFacts(f *testing.F) {
	f.Add(source)
	f.Add("MODULE_VERSION(X)\n#define X \"\\\"%{lua:}\" \"\x1b[0m\"\nMODULE_LICENSE(\"GPL\")\n")
	f.Add("// SPDX-License-Identifier: " + strings.Repeat("(", 300) + "\nMODULE_LICENSE(\"\")")
	f.Fuzz(func(t *testing.T, text string) {
		var got facts
		got.take(text)
		for _, s := range append([]string{got.SourceVersion, got.Description, got.Licence}, append(got.Authors, got.Copyrights...)...) {
			if len(s) > maxFact+20 || strings.ContainsAny(s, "%$`\\\"{}\n\x1b") || results.Plain(s) != s {
				t.Errorf("%q was taken", s)
			}
		}
	})
}
