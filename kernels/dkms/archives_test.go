package dkms

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// member is one entry of an archive for a test.
type member struct {
	name, text string
	mode       int64
	kind       byte
	link       string
}

// archive makes a tar archive.
func archive(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		if m.kind == 0 {
			m.kind = tar.TypeReg
		}
		if m.mode == 0 {
			m.mode = 0o644
		}
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Mode: m.mode, Linkname: m.link, Size: int64(len(m.text)), Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// packed compresses.
func packed(t testing.TB, how string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var err error
	switch how {
	case "gz":
		w := gzip.NewWriter(&out)
		_, err = w.Write(data)
		err = errors.Join(err, w.Close())
	case "xz":
		w, failed := xz.NewWriter(&out)
		if failed == nil {
			_, failed = w.Write(data)
			failed = errors.Join(failed, w.Close())
		}
		err = failed
	case "zst":
		w, failed := zstd.NewWriter(&out)
		if failed == nil {
			_, failed = w.Write(data)
			failed = errors.Join(failed, w.Close())
		}
		err = failed
	default:
		return data
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// file writes a file and returns its path.
func file(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

var module = []member{
	{name: "./"}, {name: "hello-1.0/dkms.conf", text: goodConf}, {name: "hello-1.0/Makefile", text: "obj-m := hello.o\n"},
	{name: "hello-1.0/hello.c", text: "x"}, {name: "hello-1.0/configure", text: "x", mode: 0o6755}, {name: "hello-1.0/link", kind: tar.TypeSymlink, link: "hello.c"},
	{name: "hello-1.0/sub/up", kind: tar.TypeSymlink, link: "../hello.c"}, {name: "hello-1.0/hard", kind: tar.TypeLink, link: "hello-1.0/hello.c"},
}

func init() { module[0].kind = tar.TypeDir }
