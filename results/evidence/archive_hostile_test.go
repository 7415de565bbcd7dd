package evidence

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// refused holds that an archive is refused in one line that says what, and that nothing is left of it.
func refused(t *testing.T, data []byte, lim Limits, want string) {
	t.Helper()
	_, dir, err := unpackBytes(t, data, lim)
	if _, ok := errors.AsType[*Error](err); !ok || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("%v, want %q", err, want)
	}
	if left := filesBelow(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHostileArchivesAreRefused(t *testing.T) {
	twice := func(out *tar.Writer) { plainFile("a")(out); plainFile("a")(out) }
	link := func(kind byte) func(*tar.Writer) {
		return func(out *tar.Writer) { put(out, tar.Header{Name: "a", Typeflag: kind, Linkname: "/etc/passwd"}, "") }
	}
	for name, c := range map[string]struct {
		manifest string
		write    func(*tar.Writer)
		want     string
	}{
		"an absolute name":           {listing("/tmp/a"), plainFile("/tmp/a"), "an absolute name"},
		"a name that leads up":       {listing("../a"), plainFile("../a"), "leads out"},
		"one inside":                 {listing("b/../../a"), plainFile("b/../../a"), "leads out"},
		"an escape":                  {listing("a\x1b[2J"), plainFile("a\x1b[2J"), "control characters"},
		"a symbolic link":            {listing("a"), link(tar.TypeSymlink), "which is no file"},
		"a hard link":                {listing("a"), link(tar.TypeLink), "which is no file"},
		"a device":                   {listing("a"), link(tar.TypeChar), "which is no file"},
		"a FIFO":                     {listing("a"), link(tar.TypeFifo), "which is no file"},
		"a folder":                   {listing("a"), link(tar.TypeDir), "which is no file"},
		"a file twice":               {listing("a"), twice, "does not list"},
		"a name twice":               {listing("a", "a"), twice, "there twice"},
		"a file as a folder":         {listing("a", "a/b"), nil, "as a file and as a folder"},
		"out of order":               {listing("b", "a"), nil, "not in its place"},
		"an unlisted file":           {listing("a"), func(out *tar.Writer) { plainFile("a")(out); plainFile("b")(out) }, "does not list"},
		"a missing file":             {listing("a", "b"), plainFile("a"), `lacks "b"`},
		"another file":               {listing("a"), plainFile("b"), "in place of"},
		"a changed byte":             {listing("a"), func(out *tar.Writer) { put(out, tar.Header{Name: "a"}, "y") }, "whose bytes are not"},
		"another size":               {listing("a"), func(out *tar.Writer) { put(out, tar.Header{Name: "a"}, "xx") }, "its manifest says 1"},
		"an owner":                   {listing("a"), func(out *tar.Writer) { put(out, tar.Header{Name: "a", Uname: "root"}, "x") }, "not packed as"},
		"too many files":             {listing(strings.Split("a b c d e f g h i", " ")...), nil, "more than 8 files"},
		"too much":                   {strings.ReplaceAll(listing("a", "b"), `"size":1`, `"size":900000`), nil, "more than 1 MiB"},
		"more than a number":         {strings.ReplaceAll(listing("a", "b"), `"size":1`, `"size":9223372036854775807`), nil, "more than 1 MiB"},
		"a negative size":            {strings.ReplaceAll(listing("a"), `"size":1`, `"size":-1`), nil, "not described"},
		"a set-uid bit":              {strings.ReplaceAll(listing("a"), "0644", "4755"), nil, "not described"},
		"a digest that is a path":    {strings.ReplaceAll(listing("a"), `"sha256":"`, `"sha256":"../`), nil, "not described"},
		"no list":                    {`{"schema":"modmatrix.bundle/v1","files":7}`, nil, "without a list"},
		"half a manifest":            {`{"schema":"modmatrix.bundle/v1","fi`, nil, "cannot be read"},
		"a newer one":                {`{"schema":"modmatrix.bundle/v2","tool":"modmatrix 7.0.0","files":{}}`, nil, "newer than this modmatrix: modmatrix.bundle/v2, and this one reads modmatrix.bundle/v1: take modmatrix 7.0.0"},
		"an evidence file":           {`{"schema":"modmatrix.evidence/v1","files":[]}`, nil, "is an evidence file: give a bundle"},
		"something that is to come":  {`{"schema":"modmatrix.other/v1","files":[]}`, nil, "does not read"},
		"a manifest of great length": {`{"schema":"modmatrix.bundle/v1","tool":"` + strings.Repeat("x", 1<<16) + `","files":[]}`, nil, "manifest of more than 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, withFiles(t, c.manifest, c.write), small, c.want) })
	}
}

// What surrounds the tar is no place for anything either.
func TestHostileFramesAreRefused(t *testing.T) {
	good := withFiles(t, listing("a"), plainFile("a"))
	if _, _, err := unpackBytes(t, good, small); err != nil {
		t.Fatal(err) // the control
	}
	var plain bytes.Buffer
	out := tar.NewWriter(&plain)
	put(out, tar.Header{Name: ManifestName}, listing())
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	frame := good[:len(good)-sealSize]
	flood := func(n int64) []byte {
		var file bytes.Buffer
		enc, _ := zstd.NewWriter(&file, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
		enc.Write(plain.Bytes())
		io.CopyN(enc, zeroes{}, n)
		enc.Close()
		return resealed(file.Bytes())
	}
	refused(t, resealed(append(bytes.Clone(frame), frame...)), small, "behind its end")
	refused(t, sealed(t, append(plain.Bytes(), "more"...)), small, "behind its end")
	refused(t, flood(1<<26), small, "behind its end")
	refused(t, sealed(t, append(plain.Bytes(), make([]byte, 3*window)...), zstd.WithWindowSize(4*window)), small, "window size exceeded")
	refused(t, append(bytes.Clone(good), 'x'), small, "damaged")
	refused(t, nil, small, noArchive)
	refused(t, []byte("PK\x03\x04 and so on"), small, noArchive)
	refused(t, packed(t, plainFile("Makefile")), small, `holds "Makefile" in place of "manifest.json"`)
	refused(t, packed(t, plainFile("Makefile"))[:40], small, noArchive)
	refused(t, packed(t, func(out *tar.Writer) {
		put(out, tar.Header{Name: ManifestName}, `{"name":"an extension of a browser"}`)
	}), small, "cannot be read")
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Whatever becomes of a file on its way, it is noticed, and not taken for malice.
func TestDamageIsNoticed(t *testing.T) {
	var file bytes.Buffer
	if _, err := Write(&file, Manifest{Schema: BundleSchema, Tool: "modmatrix 0.1.0"}, someFiles()); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	try := func(what string, data []byte) {
		if whole, err := hasSeal(t.Context(), bytes.NewReader(data), int64(len(data))); whole || err != nil {
			t.Errorf("%s: not noticed, %v", what, err)
		}
	}
	for at := range whole {
		for bit := range 8 {
			changed := bytes.Clone(whole)
			changed[at] ^= 1 << bit
			try(fmt.Sprintf("bit %d of byte %d", bit, at), changed)
		}
		try(fmt.Sprintf("cut off at %d", at), whole[:at])
	}
	refused(t, whole[:len(whole)-1], small, "breaks off or is damaged: get it anew")
	refused(t, whole[:len(whole)-sealSize-20], small, "breaks off or is damaged: get it anew")
}

func TestWhatIsNoFileIsNotWaitedFor(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, t.TempDir(), "/nowhere", "/dev/zero"} {
		_, err := ReadFile(t.Context(), path, BundleSchema, small, nil)
		if wrong, ok := errors.AsType[*Error](err); !ok || wrong.Path != path || Claims(path) != "" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A list of nothing costs its text and no multiple of it.
func TestMemoryIsBounded(t *testing.T) {
	many := `{"schema":"modmatrix.bundle/v1","files":[` + strings.Repeat("{},", 4<<20) + `{}]}`
	data := withFiles(t, many, nil)
	file := filepath.Join(t.TempDir(), "x.tar.zst")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadFile(t.Context(), file, BundleSchema, BundleLimits, nil)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "more than 50000 files") {
		t.Error(err)
	}
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 200 {
		t.Errorf("it allocated %d MiB in all", took)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("x"), false)
	var file, plain bytes.Buffer
	if _, err := Write(&file, Manifest{Schema: BundleSchema, Tool: "x"}, someFiles()); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes(), false)
	dec, _, _ := unpacked(bytes.NewReader(file.Bytes()[:file.Len()-sealSize]))
	if _, err := io.Copy(&plain, dec); err != nil {
		f.Fatal(err)
	}
	f.Add(plain.Bytes(), true)
	f.Fuzz(func(t *testing.T, data []byte, inside bool) {
		if inside { // then what is in the tar is looked at, and not the frame alone
			data = sealed(t, data)
		}
		var files []File
		m, err := Read(t.Context(), bytes.NewReader(data), int64(len(data)), BundleSchema, small, func(e Entry, in io.Reader) error {
			content, err := io.ReadAll(in)
			files = append(files, File{Name: e.Name, Exec: e.Exec(), Data: content})
			return err
		})
		if _, ok := errors.AsType[*Error](err); err != nil && !ok {
			t.Fatalf("%v is nobody's fault", err)
		}
		if err != nil {
			return
		}
		again, err := Write(io.Discard, m, files)
		if err != nil || !reflect.DeepEqual(again.Files, m.Files) && len(m.Files) > 0 {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
