package prebuilt

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/prebuilt/kotest"
)

type member struct {
	name string
	data []byte
}

func fifo(release string) []byte {
	return kotest.Module{Name: "fifo", Vermagic: release + " SMP ", Versions: with()}.Bytes()
}

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Size: int64(len(m.data)), Mode: 0o644, Typeflag: tar.TypeReg}
		if m.data == nil {
			h.Typeflag, h.Linkname = tar.TypeSymlink, "/etc/passwd"
		}
		_, err := w.Write(nil)
		if err = errors.Join(err, w.WriteHeader(h)); err == nil {
			_, err = w.Write(m.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	return b.Bytes()
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func xzipped(data []byte) []byte {
	var b bytes.Buffer
	w, _ := xz.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func zstded(data []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(data, nil)
}

func debOf(members ...member) []byte {
	b := bytes.NewBufferString(debMagic)
	for _, m := range members {
		fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.data))
		b.Write(m.data)
		if len(m.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// rpmOf is a package with two headers that say nothing.
func rpmOf(payload []byte) []byte {
	b := bytes.NewBufferString(rpmMagic)
	b.Write(make([]byte, rpmLead-b.Len()))
	header := func(data string) {
		b.WriteString("\x8e\xad\xe8\x01\x00\x00\x00\x00")
		binary.Write(b, binary.BigEndian, []uint32{1, uint32(len(data))})
		b.Write(make([]byte, 16))
		b.WriteString(data)
	}
	header("sig")
	b.Write(make([]byte, 5)) // to a multiple of 8
	header("main")
	b.Write(payload)
	return b.Bytes()
}

func cpioOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := cpio.NewWriter(&b)
	for _, m := range members {
		err := w.WriteHeader(&cpio.Header{Name: m.name, Mode: cpio.TypeReg | 0o644, Size: int64(len(m.data))})
		if err == nil {
			_, err = w.Write(m.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	return b.Bytes()
}

// found are the modules of s, with what they were built for and where they lay.
func found(s *Set) string {
	var all []string
	for _, f := range s.Files {
		all = append(all, f.Name+" "+f.Release()+" "+f.Origin)
	}
	return strings.Join(all, "\n")
}

func TestOpen(t *testing.T) {
	two := []member{{"./lib/modules/6.1.0-57-amd64/updates/dkms/fifo.ko.xz", xzipped(fifo("6.1.0-57-amd64"))}, {"lib/modules/6.1.0-47-amd64/updates/dkms/fifo.ko", fifo("6.1.0-47-amd64")}, {"usr/share/doc/fifo.ko.txt", []byte("x")}}
	both := func(name string) string {
		return "fifo 6.1.0-47-amd64 " + name + ":lib/modules/6.1.0-47-amd64/updates/dkms/fifo.ko\nfifo 6.1.0-57-amd64 " + name + ":lib/modules/6.1.0-57-amd64/updates/dkms/fifo.ko.xz"
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"fifo.ko":          {fifo("6.1.0-57-amd64"), "fifo 6.1.0-57-amd64 fifo.ko"},
		"fifo.ko.gz":       {gzipped(fifo("6.1.0-57-amd64")), "fifo 6.1.0-57-amd64 fifo.ko.gz"},
		"fifo.ko.xz":       {xzipped(fifo("6.1.0-57-amd64")), "fifo 6.1.0-57-amd64 fifo.ko.xz"},
		"by another name":  {zstded(fifo("6.1.0-57-amd64")), "fifo 6.1.0-57-amd64 by another name"},
		"fifo.tar":         {tarOf(t, two...), both("fifo.tar")},
		"fifo.tar.zst":     {zstded(tarOf(t, two...)), both("fifo.tar.zst")},
		"fifo_1_amd64.deb": {debOf(member{"debian-binary", []byte("2.0\n")}, member{"control.tar.gz", gzipped(nil)}, member{"data.tar.xz", xzipped(tarOf(t, two...))}), both("fifo_1_amd64.deb")},
		"fifo.rpm":         {rpmOf(gzipped(cpioOf(t, two...))), both("fifo.rpm")},
		"linked.tar":       {tarOf(t, append(two, member{"lib/modules/x/weak-updates/fifo.ko", nil})...), both("linked.tar")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			given := filepath.Join(dir, name)
			if err := os.WriteFile(given, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), t.TempDir(), given)
			if err != nil {
				t.Fatal(err)
			}
			if found(s) != c.want || len(s.Notes) > 0 || s.Title() != "fifo" {
				t.Errorf("got %s %v %s\nwant %s", found(s), s.Notes, s.Title(), c.want)
			}
			for _, f := range s.Files {
				if got, err := kbuild.Inspect(f.Path); err != nil || got.Vermagic != f.Vermagic {
					t.Errorf("%s: %v, %v", f.Path, got, err)
				}
			}
		})
	}
}

// What cannot be loaded is refused in one line that names what was given, and leaves nothing outside of the folder.
func TestOpenRefuses(t *testing.T) {
	defer func(module, pkg int64) { maxModule, maxPackage = module, pkg }(maxModule, maxPackage)
	maxModule, maxPackage = 1<<20, 2<<20
	good := fifo("6.1.0-57-amd64")
	other := kotest.Module{Name: "fifo", Vermagic: "6.1.0-57-amd64 SMP ", Info: []string{"version=2"}}.Bytes()
	many := func(n int) (all []member) {
		for i := range n {
			all = append(all, member{fmt.Sprintf("%d.ko", i), fifo(fmt.Sprintf("6.%d.0", i))})
		}
		return all
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                    {nil, "holds no kernel module (.ko): "},
		"text":                     {[]byte("not a module, whatever it is called"), "is neither a module nor a package: "},
		"a zip":                    {[]byte("PK\x03\x04 and so on"), "is a zip: "},
		"no modules":               {tarOf(t, member{"a", []byte("b")}), "holds no kernel module (.ko): a module's source is what MODULE takes"},
		"half a module":            {good[:len(good)/2], "is not a kernel module: "},
		"half a package":           {gzipped(tarOf(t, member{"fifo.ko", good}))[:200], "unexpected EOF"},
		"a program":                {[]byte("\x7fELF\x02\x01\x01 and nothing more"), "is not a kernel module: "},
		"no symbols":               {bytes.Replace(good, []byte{byte(elf.SHT_SYMTAB), 0, 0, 0, 0}, []byte{byte(elf.SHT_PROGBITS), 0, 0, 0, 0}, 1), "no symbol table"},
		"half of extended":         {kotest.Module{Name: "fifo", Vermagic: "1 ", Sections: []kotest.Section{{Name: "__version_ext_crcs", Type: elf.SHT_PROGBITS}}}.Bytes(), "only one half of the extended symbol versions"},
		"names run out":            {kotest.Module{Name: "fifo", Vermagic: "1 ", Sections: []kotest.Section{{Name: "__version_ext_crcs", Type: elf.SHT_PROGBITS, Data: []byte("12345678")}, {Name: "__version_ext_names", Type: elf.SHT_PROGBITS, Data: []byte("a\x00")}}}.Bytes(), "more extended symbol versions than names"},
		"two for one kernel":       {tarOf(t, member{"a/fifo.ko", good}, member{"b/fifo.ko", other}), "it is fifo.ko for 6.1.0-57-amd64, and so is "},
		"a bomb":                   {gzipped(make([]byte, 3<<20)), "holds no kernel module"},
		"a bomb of a module":       {tarOf(t, member{"fifo.ko.gz", gzipped(append(bytes.Clone(good), make([]byte, 1<<20)...))}), "is larger than 1 MiB"},
		"a bomb of a package":      {gzipped(tarOf(t, member{"a", make([]byte, 3<<20)}, member{"fifo.ko", good})), "unpacks to more than 2 MiB"},
		"too many":                 {zstded(tarOf(t, many(maxModules+1)...)), "holds more than 256 modules"},
		"a deb of nothing":         {debOf(member{"debian-binary", []byte("2.0\n")}), "is a .deb without files"},
		"a deb that goes back":     {bytes.Replace(debOf(member{"debian-binary", []byte("2.0\n")}), []byte("4         `"), []byte("-60       `"), 1), "a member has no size"},
		"a deb of members":         {debOf(make([]member, maxMembers+1)...), "is no .deb"},
		"half an rpm":              {rpmOf(nil)[:100], "is a broken .rpm"},
		"an rpm of no header":      {append([]byte(rpmMagic), make([]byte, 200)...), "a header is none, or too large"},
		"an rpm of a large header": {bytes.Replace(rpmOf(nil), []byte("\x00\x00\x00\x01\x00\x00\x00\x03"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff"), 1), "a header is none, or too large"},
		"an rpm of no files":       {rpmOf([]byte("0707 something that is no cpio archive, and long enough to be one, one hundred and ten bytes at the very least of it")), "is a broken .rpm"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			given := filepath.Join(dir, "given")
			if err := os.WriteFile(given, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), t.TempDir(), given)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !errors.As(err, new(*kbuild.SourceError)) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if all, _ := os.ReadDir(dir); len(all) != 1 {
				t.Errorf("left beside it: %v", all)
			}
		})
	}
	for given, want := range map[string]string{"nowhere.ko": "nowhere.ko: no such file: ", os.TempDir(): ": is no file: "} {
		if _, err := Open(t.Context(), t.TempDir(), given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", given, err, want)
		}
	}
}

// A module that lies where kernels look for those of another release is noted, and its vermagic counts.
func TestOpenMisplaced(t *testing.T) {
	given := filepath.Join(t.TempDir(), "fifo.tar")
	if err := os.WriteFile(given, tarOf(t, member{"lib/modules/6.1.0-50-amd64/fifo.ko", fifo("6.1.0-57-amd64")}), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), t.TempDir(), given)
	if err != nil || len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "lies with the modules of 6.1.0-50-amd64, and was built for 6.1.0-57-amd64") {
		t.Errorf("%v, %v", s, err)
	}
}

// Whatever a file is, it is read or refused in a line, and what was read is bounded.
func FuzzRead(f *testing.F) {
	f.Add(fifo("6.1.0-57-amd64"))
	f.Add(kotest.Module{Name: "fifo", Vermagic: on47, Wants: []string{"_printk"}, Exports: []string{"x"}, Versions: with(), Extended: with(), Tail: signature}.Bytes())
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Read("fuzz.ko", data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		if b.Vermagic == "" || len(b.Wants) > maxSymbols || len(b.Versions) > len(data) {
			t.Errorf("%d symbols, %d versions of %d bytes", len(b.Wants), len(b.Versions), len(data))
		}
	})
}

func FuzzOpen(f *testing.F) {
	m := member{"lib/modules/6.1.0-57-amd64/fifo.ko", fifo("6.1.0-57-amd64")}
	f.Add(tarOf(f, m))
	f.Add(debOf(member{"debian-binary", []byte("2.0\n")}, member{"data.tar", tarOf(f, m)}))
	f.Add(rpmOf(cpioOf(f, m)))
	f.Fuzz(func(t *testing.T, data []byte) {
		given := filepath.Join(t.TempDir(), "given")
		if err := os.WriteFile(given, data, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), t.TempDir(), given)
		if err == nil && len(s.Files) == 0 || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, %v", s, err)
		}
	})
}
