package kernels

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// OpenRegular opens the regular file called name below root, which may be a stranger's folder. It waits for nobody: what is no
// regular file is an error at once, be it a FIFO that nobody writes to.
func OpenRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file (%v)", filepath.Join(root.Name(), name), info.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadRegular reads the file that OpenRegular opens. More than limit bytes are an error.
func ReadRegular(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := OpenRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d KiB", filepath.Join(root.Name(), name), limit>>10)
	}
	return data, err
}

// ReadFileIn is ReadRegular for the folder dir.
func ReadFileIn(dir, name string, limit int64) ([]byte, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder", dir) // os.OpenRoot would wait for whoever writes to a FIFO
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return ReadRegular(root, name, limit)
}

// ReadWith is r until ctx ends; then reading is the error of ctx.
func ReadWith(ctx context.Context, r io.Reader) io.Reader { return withContext{ctx, r} }

type withContext struct {
	ctx context.Context
	io.Reader
}

func (r withContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// packings are what modules and archives are compressed with, by their first bytes.
var packings = []struct {
	magic  string
	option string // for tar
	open   func(io.Reader) (io.Reader, error)
}{
	{"\x1f\x8b", "--gzip", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"\xfd7zXZ\x00", "--xz", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }},
	{"\x28\xb5\x2f\xfd", "--zstd", func(r io.Reader) (io.Reader, error) {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(256<<20)) // no goroutine to close
	}},
	{"BZh", "--bzip2", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
}

// magicSize is how many bytes distinguish the packings.
const magicSize = 6

// Unpack returns what r holds, unpacked where it is compressed.
func Unpack(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	begin, _ := in.Peek(magicSize)
	for _, p := range packings {
		if strings.HasPrefix(string(begin), p.magic) {
			return p.open(in)
		}
	}
	return in, nil
}

// TarOption is the option with which tar reads what in holds; it reads nothing from in.
func TarOption(in *bufio.Reader) string {
	begin, _ := in.Peek(magicSize)
	for _, p := range packings {
		if strings.HasPrefix(string(begin), p.magic) {
			return p.option
		}
	}
	return "--no-auto-compress"
}

// moduleMax bounds a module's size, unpacked; the largest of Debian's kernels (with debug information) stay below 100 MiB.
const moduleMax = 256 << 20

// ReadModule returns the bytes of the module file at path, unpacked.
func ReadModule(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := unpackAll(f, moduleMax)
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", path, err)
	}
	return data, nil
}

func unpackAll(r io.Reader, limit int64) ([]byte, error) {
	plain, err := Unpack(r)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(plain, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it unpacks to more than %d bytes", limit)
	}
	return data, err
}

// FileSHA256 is the SHA-256 of what the file at path holds, in hexadecimal digits, as lock files and archives have it.
func FileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
