package dkms

import (
	"archive/tar"
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// maxLink bounds the target of a link, which a zip holds as its content.
const maxLink = 4 << 10

// isZip reports whether the file is a zip, by how it begins.
func isZip(f *os.File) bool {
	var begin [4]byte
	_, err := f.ReadAt(begin[:], 0)
	return err == nil && (string(begin[:]) == "PK\x03\x04" || string(begin[:]) == "PK\x05\x06")
}

// unpackZip is unpackTar for a zip.
func unpackZip(ctx context.Context, file string, f *os.File, to string) (notes []string, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(f, info.Size())
	if err != nil {
		return nil, hostile(file, "is a zip that cannot be read: "+clean(err.Error()))
	}
	limited, entries, open := &io.LimitedReader{N: maxBytes}, archive.File, io.NopCloser(nil)
	defer func() { open.Close() }()
	return unpackAll(ctx, file, to, "", limited, func() (*tar.Header, io.Reader, error) {
		if len(entries) == 0 {
			return nil, nil, io.EOF
		}
		e := entries[0]
		entries = entries[1:]
		open.Close()
		content, err := e.Open()
		if err != nil {
			open = io.NopCloser(nil)
			return nil, nil, hostile(file, "is a zip with "+clean(e.Name)+", which cannot be read: "+clean(err.Error()))
		}
		open, limited.R = content, kernels.ReadWith(ctx, content)
		h, err := zipHeader(e, limited)
		if err != nil {
			err = hostile(file, "is a zip with "+clean(e.Name)+", which cannot be read: "+clean(err.Error()))
		}
		return h, limited, err
	})
}

// zipHeader is what a tar would say of the entry.
func zipHeader(e *zip.File, content io.Reader) (*tar.Header, error) {
	h := &tar.Header{Name: e.Name, Typeflag: tar.TypeReg, Mode: int64(e.Mode().Perm())}
	switch mode := e.Mode(); {
	case e.Flags&1 != 0:
		return nil, errors.New("it is encrypted")
	case mode.IsDir() || strings.HasSuffix(e.Name, "/"):
		h.Typeflag = tar.TypeDir
	case mode&fs.ModeSymlink != 0:
		target, err := io.ReadAll(io.LimitReader(content, maxLink))
		h.Typeflag, h.Linkname = tar.TypeSymlink, string(target)
		return h, err
	case !mode.IsRegular():
		h.Typeflag = tar.TypeFifo
	}
	return h, nil
}
