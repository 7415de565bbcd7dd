package dkms

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

func TestOpenTarball(t *testing.T) {
	for _, how := range []string{"tar", "gz", "xz", "zst"} {
		work := t.TempDir()
		p, err := Open(t.Context(), file(t, "m."+how, packed(t, how, archive(t, module...))), work)
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		if p.Kind != Tarball || !p.HasConf || p.Name != "hello" || p.Version != "1.0" || !strings.HasPrefix(p.Source, work) {
			t.Errorf("%s: %+v", how, p)
		}
		for name, mode := range map[string]fs.FileMode{"configure": 0o755, "hello.c": 0o644, "link": 0o644, "sub/up": 0o644, "hard": 0o644} {
			info, err := os.Stat(filepath.Join(p.Source, name))
			if err != nil || info.Mode() != mode {
				t.Errorf("%s: %s: %v, %v", how, name, info.Mode(), err)
			}
		}
	}
}

func TestOpenShapes(t *testing.T) {
	conf := func(name string) member { return member{name: name, text: goodConf} }
	makefile := func(name string) member { return member{name: name, text: "obj-m := a.o\n"} }
	for name, test := range map[string]struct {
		members []member
		kind    Kind
		source  string
		fail    string
	}{
		"mktarball":     {[]member{conf("./dkms_source_tree/dkms.conf"), {name: "./dkms_main_tree/6.1/x86_64/module/a.ko", text: "x"}}, Archive, "dkms_source_tree", ""},
		"binaries only": {[]member{conf("dkms_binaries_only/dkms.conf"), {name: "dkms_main_tree/6.1/x86_64/module/a.ko", text: "x"}}, "", "", "is a dkms archive without source: make it anew without --binaries-only"},
		"at the top":    {[]member{conf("dkms.conf"), makefile("Makefile")}, Tarball, "", ""},
		"one below":     {[]member{conf("a/b/dkms.conf"), makefile("a/b/Makefile"), conf("a/debian/dkms.conf"), {name: "a/README"}}, Tarball, "a/b", ""},
		"several below": {[]member{conf("a/b/c/dkms.conf"), conf("z/dkms.conf"), makefile("z/Makefile"), makefile("a/b/c/Kbuild")}, "", "",
			"holds no module at its top: no Makefile and no Kbuild: unpack it and give its folder z or a/b/c"},
		"conf elsewhere": {[]member{conf("a/packaging/dkms.conf"), makefile("a/drv/Makefile"), {name: "a/README"}}, "", "",
			"holds no module at its top: no Makefile and no Kbuild: unpack it and give its folder drv"},
		"module below": {[]member{makefile("a/drv/Makefile"), {name: "a/README"}}, "", "", "holds no module at its top: no Makefile and no Kbuild: unpack it and give its folder drv"},
		"kbuild":       {[]member{makefile("a/b/Makefile"), {name: "a/b/a.c"}}, Tarball, "a/b", ""},
		"no module":    {[]member{{name: "a/README", text: "x"}}, "", "", "holds no dkms.conf, and no Makefile and no Kbuild: give an archive of a module's source"},
		"no archive":   {nil, "", "", "is empty, or no archive: give an archive of a module's source"},
	} {
		work := t.TempDir()
		given := file(t, "m.tar", archive(t, test.members...))
		p, err := Open(t.Context(), given, work)
		switch {
		case test.fail != "":
			if err == nil || err.Error() != given+": "+test.fail {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case p.Kind != test.kind || p.Source != filepath.Join(work, "source", test.source):
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestOpenStrays: what lies in an archive and can be no part of a source is left out with a note.
func TestOpenStrays(t *testing.T) {
	outside := t.TempDir()
	for name, test := range map[string]struct {
		members []member
		want    string
	}{
		"link out":       {[]member{{name: "a/l", kind: tar.TypeSymlink, link: "../../x"}}, "a/l, a link to ../../x, which is outside of it"},
		"link absolute":  {[]member{{name: "l", kind: tar.TypeSymlink, link: outside}}, "l, a link to " + outside + ", which is outside of it"},
		"through a link": {[]member{{name: "d/", kind: tar.TypeDir}, {name: "d/l", kind: tar.TypeSymlink, link: "m"}, {name: "d/m", kind: tar.TypeSymlink, link: "../.."}}, "d/m, a link to ../.., which is outside of it"},
		"below a link":   {[]member{{name: "l", kind: tar.TypeSymlink, link: outside}, {name: "l/x", text: "x"}}, "l, a link to " + outside + ", which is outside of it"},
		"device":         {[]member{{name: "d", kind: tar.TypeChar}}, "d, neither a file, nor a folder, nor a link"},
		"fifo":           {[]member{{name: "d", kind: tar.TypeFifo}, {name: "e", kind: tar.TypeFifo}}, "d, neither a file, nor a folder, nor a link, and 1 more"},
	} {
		p, err := Open(t.Context(), file(t, "m.tar", archive(t, append(test.members, member{name: "Kbuild", text: "obj-m := a.o\n"})...)), t.TempDir())
		if err != nil || len(p.Notes) != 1 || p.Notes[0] != "left out of the source: "+test.want {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("it wrote outside: %v", left)
	}
}

// zipped makes a zip archive.
func zipped(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		mode, text := fs.FileMode(max(m.mode, 0o644)), m.text
		switch m.kind {
		case tar.TypeSymlink:
			mode, text = mode|fs.ModeSymlink, m.link
		case tar.TypeFifo:
			mode |= fs.ModeNamedPipe
		}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestOpenZip: a zip is what a tar of the same is, and refused for the same reasons.
func TestOpenZip(t *testing.T) {
	p, err := Open(t.Context(), file(t, "m-main.zip", zipped(t, member{name: "m-main/Makefile", text: "obj-m := a.o\n"}, member{name: "m-main/gen.sh", mode: 0o755},
		member{name: "m-main/l.c", kind: tar.TypeSymlink, link: "a.c"}, member{name: "m-main/out", kind: tar.TypeSymlink, link: "/etc/passwd"}, member{name: "m-main/p", kind: tar.TypeFifo})), t.TempDir())
	if err != nil || p.Kind != Tarball || filepath.Base(p.Source) != "m-main" || len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "/etc/passwd, which is outside of it, and 1 more") {
		t.Fatalf("%+v, %v", p, err)
	}
	if info, err := os.Stat(p.Source + "/gen.sh"); err != nil || info.Mode() != 0o755 {
		t.Error(info, err)
	}
	if target, err := os.Readlink(p.Source + "/l.c"); target != "a.c" {
		t.Error(target, err)
	}
	whole := zipped(t, member{name: "m/Kbuild", text: "obj-m := m.o"})
	for want, data := range map[string][]byte{
		"a name that leads out of it":          zipped(t, member{name: "a/../../x"}),
		"an absolute name":                     zipped(t, member{name: "/etc/x"}),
		"is empty, or no archive":              zipped(t),
		"is a zip that cannot be read":         whole[:len(whole)/2],
		"holds \"a/b\", which cannot be there": zipped(t, member{name: "a"}, member{name: "a/b"}),
	} {
		if _, err := Open(t.Context(), file(t, "m.zip", data), t.TempDir()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", want, err)
		}
	}
	defer func(was int64) { maxBytes = was }(maxBytes)
	maxBytes = 1 << 20
	if _, err := Open(t.Context(), file(t, "m.zip", zipped(t, member{name: "big", text: strings.Repeat("x", 2<<20)})), t.TempDir()); err == nil || !strings.Contains(err.Error(), "unpacks to more than 1 MiB") {
		t.Error(err)
	}
}

func TestOpenFolder(t *testing.T) {
	dir := source(t, map[string]string{"dkms.conf": goodConf})
	p := open(t, dir)
	if p.Kind != Folder || p.Source != dir || !p.HasConf || p.Name != "hello" {
		t.Errorf("%+v", p)
	}
	if p := open(t, source(t, map[string]string{"Kbuild": "obj-m := a.o b.o\n"})); p.HasConf || p.Name != "" {
		t.Errorf("%+v", p)
	}
	for want, path := range map[string]string{
		"no Makefile and no Kbuild":   source(t, map[string]string{"README": ""}),
		"no such file or folder":      "/nonexistent",
		"neither a file nor a folder": "/dev/null",
		"is no tar archive":           file(t, "x", bytes.Repeat([]byte("x"), 2000)),
		"cannot be opened":            linked(t),
		"PACKAGE_NAME is":             source(t, map[string]string{"dkms.conf": "PACKAGE_NAME='a b/c'\n"}),
	} {
		var wrong *kbuild.SourceError
		if _, err := Open(t.Context(), path, t.TempDir()); !errors.As(err, &wrong) || !strings.Contains(wrong.Problem, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// linked is a source whose dkms.conf is a file of the host.
func linked(t *testing.T) string {
	dir := source(t, map[string]string{"Makefile": ""})
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "dkms.conf")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOpenDeb(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("no dpkg-deb here")
	}
	tree := source(t, map[string]string{
		"DEBIAN/control":              "Package: hello-dkms\nVersion: 1.0-1\nArchitecture: all\nDepends: dkms (>= 3), linux-headers-amd64 | linux-headers-generic, libx-dev | liby-dev (>= 1), make\nMaintainer: a <a@example.org>\nDescription: x\n",
		"usr/src/hello-1.0/dkms.conf": goodConf, "usr/src/hello-1.0/Makefile": "", "usr/share/doc/x": "",
	})
	if err := os.Symlink("/etc", filepath.Join(tree, "usr/share/doc/etc")); err != nil {
		t.Fatal(err)
	}
	deb := filepath.Join(t.TempDir(), "hello-dkms_1.0-1_all.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", tree, deb).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	work := t.TempDir()
	p, err := Open(t.Context(), deb, work)
	if err != nil || p.Kind != Deb || p.Name != "hello" || p.Source != filepath.Join(work, "source/usr/src/hello-1.0") {
		t.Errorf("%+v, %v", p, err)
	}
	if got := fmt.Sprintf("%q", p.Needs); got != `["libx-dev | liby-dev (>= 1)" "make"]` {
		t.Errorf("needs %s", got)
	}
	if _, err := os.Stat(filepath.Join(work, "source/usr/share")); err == nil {
		t.Error("more than the source was unpacked")
	}
	if _, err := Open(t.Context(), file(t, "x.deb", []byte("no deb")), t.TempDir()); err == nil || !strings.Contains(err.Error(), "x.deb: cannot be read: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v", err)
	}
}
