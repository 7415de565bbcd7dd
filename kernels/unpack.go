package kernels

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

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
