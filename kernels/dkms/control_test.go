package dkms

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const control = `# of the whole
Source: foo
Build-Depends: debhelper-compat (= 13), dh-sequence-dkms, libbuild-dev

# a comment
Package: foo-dkms
Architecture: all
Depends: ${misc:Depends}, dkms (>= 2.1), linux-headers-generic | linux-headers,
# within
 libfoo-dev (>= 1.2) [linux-any],
 foo-common (= ${binary:Version}), foo-other (>= ${source:Version}) | qux,
 libarm-dev [arm64], libnone-dev [!amd64], bar | baz [i386] | qux [amd64], ${shlibs:Depends}
Description: x
 long
 .
 Depends: more

Package: foo-tools
Architecture: any
Depends: python3

Package: foo-more-dkms
Depends: bar | qux, libmore-dev <!nocheck>
`

// TestNeedsOfASourcePackage: what the folder of a source depends on, by its debian/control.
func TestNeedsOfASourcePackage(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		needs []string
		note  string
	}{
		"all of it":    {control, []string{"bar | qux", "libfoo-dev (>= 1.2)", "libmore-dev", "qux"}, ""},
		"carriage":     {strings.ReplaceAll(control, "\n", "\r\n"), []string{"bar | qux", "libfoo-dev (>= 1.2)", "libmore-dev", "qux"}, ""},
		"no end":       {strings.TrimSpace(control), []string{"bar | qux", "libfoo-dev (>= 1.2)", "libmore-dev", "qux"}, ""},
		"no module":    {"Source: foo\n\nPackage: foo\nDepends: x\n", nil, ""},
		"no Depends":   {"Source: foo\n\nPackage: foo-dkms\n", nil, ""},
		"empty":        {"", nil, ""},
		"no control":   {"hello\n", nil, "debian/control is not read: "},
		"no relation":  {"Package: foo-dkms\nDepends: a (1\n", nil, "debian/control is not read: "},
		"an option":    {"Package: foo-dkms\nDepends: -oX\n", nil, "debian/control is not read: "},
		"a link's end": {"link:/etc/passwd", nil, "debian/control is not read: "},
		"a fifo":       {"fifo:", nil, "debian/control is not read: "},
		"very long":    {"Package: foo-dkms\nDepends: " + strings.Repeat("a, ", maxConf), nil, "debian/control is not read: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := source(t, map[string]string{"Makefile": "obj-m := m.o\n"})
			file := filepath.Join(dir, "debian/control")
			if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			err := os.WriteFile(file, []byte(c.text), 0o644)
			if target, ok := strings.CutPrefix(c.text, "link:"); ok {
				err = os.Symlink(target, file+".")
				if err == nil {
					err = os.Rename(file+".", file)
				}
			}
			if c.text == "fifo:" {
				err = errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o644))
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := Open(t.Context(), dir, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(p.Notes, "\n")
			if !slices.Equal(p.Needs, c.needs) || !strings.HasPrefix(notes, c.note) || (notes == "") != (c.note == "") || strings.Contains(notes, "\n") {
				t.Errorf("needs %q, notes %q", p.Needs, notes)
			}
		})
	}
}

func FuzzControl(f *testing.F) {
	f.Add(control)
	f.Add("Package: a-dkms\nDepends: a (>= 1:2~) | b:any [!arm64] <!x>\n\n\n \n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		needs, err := readControl([]byte(text))
		if err != nil && len(needs) > 0 {
			t.Error(needs, err)
		}
		for _, need := range needs {
			if !plainNeed.MatchString(need) {
				t.Errorf("%q", need)
			}
		}
	})
}
