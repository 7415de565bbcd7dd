package evidence

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// Error says in one line what is wrong with an archive, and what to do about it. It is about the file alone: that the disk is
// full is another error.
type Error struct {
	Path    string
	Problem string
	Cure    string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Problem + ": " + e.Cure
	}
	return e.Path + ": " + e.Problem + ": " + e.Cure
}

// Limits bound what an archive may hold. Memory is bounded as well: some times Manifest, and the window of the compression.
type Limits struct {
	Count    int   // of files
	Bytes    int64 // of all files, unpacked
	Manifest int64 // in bytes
}

// What is taken: a bundle has a module's source, some suites and a guest's image; an evidence file has logs.
var (
	BundleLimits   = Limits{Count: 50_000, Bytes: 2 << 30, Manifest: 16 << 20}
	EvidenceLimits = Limits{Count: 10_000, Bytes: 256 << 20, Manifest: 4 << 20}
)

// overhead is what a tar has for one entry besides its content, in bytes, at most: header, extended header, padding.
const overhead = 4 << 10

const (
	getAnew   = "get it anew"
	notOurs   = "give a file that modmatrix made"
	noArchive = "is no archive of modmatrix"
)

// Unpack unpacks the archive of that schema in the file at path into root, an empty folder. Its files are as the manifest says,
// down to the last byte; after an error, nothing is left there. What is wrong with the file is an *Error.
func Unpack(ctx context.Context, file, schema string, root *os.Root, lim Limits) (Manifest, error) {
	if there, err := fs.ReadDir(root.FS(), "."); err != nil || len(there) > 0 {
		return Manifest{}, errors.Join(fmt.Errorf("unpack into %s, which is to be an empty folder", root.Name()), err)
	}
	tops := map[string]bool{}
	m, err := ReadFile(ctx, file, schema, lim, func(e Entry, content io.Reader) error {
		top, _, _ := strings.Cut(e.Name, "/")
		tops[top] = true
		return unpack(root, e, content)
	})
	if err == nil {
		return m, nil
	}
	for top := range tops {
		err = errors.Join(err, root.RemoveAll(top))
	}
	return Manifest{}, err
}

func unpack(root *os.Root, e Entry, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(e.Name), 0o755); err != nil {
		return fmt.Errorf("unpack %s: %w", shown(e.Name), err)
	}
	out, err := root.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, e.perm())
	if err != nil {
		return fmt.Errorf("unpack %s: %w", shown(e.Name), err)
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Chmod(e.perm()), out.Close()) // whatever the umask
}

// ReadFile is Read, of the file at path.
func ReadFile(ctx context.Context, path, schema string, lim Limits, visit func(Entry, io.Reader) error) (Manifest, error) {
	in, err := openFile(path)
	if err != nil {
		return Manifest{}, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return Manifest{}, err
	}
	m, err := Read(ctx, in, info.Size(), schema, lim, visit)
	if wrong, ok := errors.AsType[*Error](err); ok {
		wrong.Path = path
	}
	return m, err
}

// openFile opens a regular file, and waits for nobody.
func openFile(path string) (*os.File, error) {
	in, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, &Error{Path: path, Problem: "cannot be opened: " + unwrapped(err), Cure: notOurs}
	}
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		in.Close()
		return nil, &Error{Path: path, Problem: "is no regular file", Cure: notOurs}
	}
	return in, nil
}

func unwrapped(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}

// Read reads the archive of that schema that in holds, and calls visit with every file, whose digest is only known to be right
// when Read returns nil. An error of visit comes back; what is wrong with the archive is an *Error.
func Read(ctx context.Context, in io.ReaderAt, size int64, schema string, lim Limits, visit func(Entry, io.Reader) error) (Manifest, error) {
	if err := checkSeal(ctx, in, size); err != nil {
		return Manifest{}, err
	}
	plain, done, err := unpacked(io.NewSectionReader(in, 0, size-sealSize))
	if err != nil {
		return Manifest{}, &Error{Problem: noArchive, Cure: notOurs}
	}
	defer done()
	r := newReading(ctx, plain, lim)
	m, err := r.manifest(schema, lim)
	if err == nil {
		err = r.files(m.Files, visit)
	}
	if err == nil {
		err = r.end()
	}
	switch wrong := (*damage)(nil); {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return Manifest{}, ctx.Err()
	case errors.As(err, &wrong):
		return Manifest{}, &Error{Problem: wrong.Error(), Cure: notOurs}
	}
	return Manifest{}, err
}

// decoders are those that nobody uses: what one takes in memory is more than most evidence, of which many are read.
var decoders sync.Pool

// unpacked is what in unpacks to, until done is called.
func unpacked(in io.Reader) (plain *zstd.Decoder, done func(), err error) {
	plain, again := decoders.Get().(*zstd.Decoder)
	if again {
		err = plain.Reset(in)
	} else {
		plain, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window))
	}
	if err != nil {
		return nil, nil, err
	}
	return plain, func() {
		if plain.Reset(nil) == nil {
			decoders.Put(plain)
		}
	}, nil
}

// checkSeal compares the file with the checksum at its end, before anything in it is believed: what broke off or was changed on
// its way is damaged, and nobody's ill will.
func checkSeal(ctx context.Context, in io.ReaderAt, size int64) error {
	whole, err := hasSeal(ctx, in, size)
	switch {
	case err != nil || whole:
		return err
	case sniff(io.NewSectionReader(in, 0, size)) == "":
		return &Error{Problem: noArchive, Cure: notOurs}
	}
	return &Error{Problem: "breaks off or is damaged", Cure: getAnew}
}

func hasSeal(ctx context.Context, in io.ReaderAt, size int64) (bool, error) {
	if size < sealSize {
		return false, nil
	}
	sum, end := sha256.New(), make([]byte, sealSize)
	if _, err := io.Copy(sum, withContext{ctx, io.NewSectionReader(in, 0, size-sealSize)}); err != nil {
		return false, err
	}
	if _, err := in.ReadAt(end, size-sealSize); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(end, seal(sum)), nil
}

// Claims is the schema that the file at path claims to have, be it whole or not; empty for any other file.
func Claims(path string) string {
	in, err := openFile(path)
	if err != nil {
		return ""
	}
	defer in.Close()
	return sniff(in)
}

var beginning = regexp.MustCompile(`^\{\s*"schema":\s*"(modmatrix\.[a-z]+/v[0-9]{1,9})"`)

func sniff(in io.Reader) string {
	plain, done, err := unpacked(in)
	if err != nil {
		return ""
	}
	defer done()
	archive := tar.NewReader(io.LimitReader(plain, 4<<10))
	h, err := archive.Next()
	if err != nil || h.Name != ManifestName {
		return ""
	}
	begin, _ := io.ReadAll(io.LimitReader(archive, 128)) // what is cut off shows
	if found := beginning.FindSubmatch(begin); found != nil {
		return string(found[1])
	}
	return ""
}

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
