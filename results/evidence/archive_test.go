package evidence

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var small = Limits{Count: 8, Bytes: 1 << 20, Manifest: 1 << 16}

func someFiles() []File {
	return []File{{Name: "source/driver/Makefile", Data: []byte("obj-m := x.o\n")}, {Name: "base", Data: []byte("image"), Exec: true}, {Name: "source/driver/empty"}}
}

// packed is an archive of entries as they are given, with a right seal, whatever is wrong with them.
func packed(t testing.TB, write func(*tar.Writer)) []byte {
	t.Helper()
	var text bytes.Buffer
	out := tar.NewWriter(&text)
	write(out)
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return sealed(t, text.Bytes())
}

func sealed(t testing.TB, plain []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var file bytes.Buffer
	enc, err := zstd.NewWriter(&file, append([]zstd.EOption{zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enc.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return resealed(file.Bytes())
}

func resealed(frames []byte) []byte {
	sum := sha256.New()
	sum.Write(frames)
	return append(frames, seal(sum)...)
}

// put writes one entry.
func put(out *tar.Writer, h tar.Header, content string) {
	if h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
	}
	h.Mode = 0o644
	if h.Typeflag == tar.TypeReg {
		h.Size = int64(len(content))
	}
	if err := out.WriteHeader(&h); err != nil {
		panic(err)
	}
	if _, err := io.WriteString(out, content); err != nil && h.Typeflag == tar.TypeReg {
		panic(err)
	}
}

// listing is a manifest of files with the content "x".
func listing(names ...string) string {
	sum := sha256.Sum256([]byte("x"))
	var files []string
	for _, name := range names {
		quoted, _ := json.Marshal(name)
		files = append(files, fmt.Sprintf(`{"name":%s,"size":1,"sha256":%q,"mode":"0644"}`, quoted, hex.EncodeToString(sum[:])))
	}
	return fmt.Sprintf(`{"schema":%q,"tool":"modmatrix 0.1.0","files":[%s]}`, BundleSchema, strings.Join(files, ","))
}

// withFiles are an archive whose manifest lists names, and what it holds besides.
func withFiles(t testing.TB, manifest string, write func(*tar.Writer)) []byte {
	return packed(t, func(out *tar.Writer) {
		put(out, tar.Header{Name: ManifestName}, manifest)
		if write != nil {
			write(out)
		}
	})
}

func plainFile(name string) func(*tar.Writer) {
	return func(out *tar.Writer) { put(out, tar.Header{Name: name}, "x") }
}

func unpackBytes(t testing.TB, data []byte, lim Limits) (Manifest, string, error) {
	t.Helper()
	file, to := filepath.Join(t.TempDir(), "x.tar.zst"), t.TempDir()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	m, err := Unpack(t.Context(), file, BundleSchema, root, lim)
	return m, to, err
}

func filesBelow(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if name != "." {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAnArchiveIsReadAsItWasWritten(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	var file bytes.Buffer
	written, err := Write(&file, Manifest{Schema: BundleSchema, Tool: "modmatrix 0.1.0", Body: []byte(`{"a":"<&>"}`)}, someFiles())
	if err != nil {
		t.Fatal(err)
	}
	m, dir, err := unpackBytes(t, file.Bytes(), small)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m.Files, written.Files) || m.Tool != "modmatrix 0.1.0" || !strings.Contains(string(m.Body), "<&>") {
		t.Errorf("%+v", m)
	}
	for name, mode := range map[string]fs.FileMode{"base": 0o755, "source/driver/Makefile": 0o644, "source/driver/empty": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "source/driver/Makefile")); string(text) != "obj-m := x.o\n" {
		t.Errorf("%q", text)
	}
}

func TestTheSameFilesGiveTheSameBytes(t *testing.T) {
	files := someFiles()
	var one, two bytes.Buffer
	host := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(host, files[0].Data, 0o600); err != nil {
		t.Fatal(err)
	}
	turned := []File{files[2], {Name: files[0].Name, Host: host}, files[1]}
	_, err1 := Write(&one, Manifest{Schema: BundleSchema}, files)
	_, err2 := Write(&two, Manifest{Schema: BundleSchema}, turned)
	if err1 != nil || err2 != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("they differ", err1, err2)
	}
	path := filepath.Join(t.TempDir(), "b.tar.zst")
	_, sum, err := WriteFile(path, Manifest{Schema: BundleSchema}, files)
	if want := sha256.Sum256(one.Bytes()); err != nil || sum != hex.EncodeToString(want[:]) {
		t.Error(sum, err)
	}
	if Claims(path) != BundleSchema || Claims(host) != "" {
		t.Error(Claims(path), Claims(host))
	}
}

func TestWriteRefusesWhatNobodyWouldRead(t *testing.T) {
	for _, names := range [][]string{{"../x"}, {"/x"}, {"a", "a"}, {"a", "a/b"}, {ManifestName}, {"a\xff"}, {"a\nb"}, {""}, {"a//b"}, {"./a"}, {strings.Repeat("a", 256)}} {
		var files []File
		for _, name := range names {
			files = append(files, File{Name: name})
		}
		if _, err := Write(io.Discard, Manifest{Schema: BundleSchema}, files); err == nil {
			t.Errorf("%q was written", names)
		}
	}
	path := filepath.Join(t.TempDir(), "b.tar.zst")
	if _, _, err := WriteFile(path, Manifest{}, []File{{Name: "a", Host: "/nowhere"}}); err == nil || len(filesBelow(t, filepath.Dir(path))) > 0 {
		t.Error("something was left:", err)
	}
}
