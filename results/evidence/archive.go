package evidence

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/klauspost/compress/zstd"
)

// An archive is a tar in one frame of zstd, with the checksum of that frame behind it in a frame that zstd skips. The tar holds
// the manifest and then the files that this lists, sorted by name; nothing else, and nothing of the machine that it was made on.
// The same files give the same bytes.

// File is one file to be written.
type File struct {
	Name string
	Exec bool
	Host string // the file with the content
	Data []byte // the content itself, where Host is empty
}

func (f File) open() (io.ReadCloser, error) {
	if f.Host == "" {
		return io.NopCloser(bytes.NewReader(f.Data)), nil
	}
	return os.Open(f.Host)
}

// entry reads the file once.
func (f File) entry() (Entry, error) {
	in, err := f.open()
	if err != nil {
		return Entry{}, err
	}
	defer in.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, in)
	e := Entry{Name: f.Name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil)), Mode: plainMode}
	if f.Exec {
		e.Mode = execMode
	}
	return e, err
}

// window is how far back the compression refers, in bytes; whoever unpacks an archive needs as much memory.
const window = 8 << 20

// Write writes the archive of files to w, and returns m with Files as they are in it. Names that Read would refuse are an error, and
// so is a file that changes meanwhile.
func Write(w io.Writer, m Manifest, files []File) (Manifest, error) {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	m.Files = make([]Entry, len(files))
	for i, f := range files {
		var err error
		if m.Files[i], err = f.entry(); err != nil {
			return m, fmt.Errorf("read %s: %w", f.Name, err)
		}
	}
	text, err := m.encode()
	if err != nil {
		return m, err
	}
	sum := sha256.New()
	packed, err := zstd.NewWriter(io.MultiWriter(w, sum), zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(window))
	if err != nil {
		return m, err
	}
	if err := errors.Join(writeTar(packed, text, m.Files, files), packed.Close()); err != nil {
		return m, fmt.Errorf("write archive: %w", err)
	}
	if _, err := w.Write(seal(sum)); err != nil {
		return m, fmt.Errorf("write archive: %w", err)
	}
	return m, nil
}

// WriteFile is Write to the file at path, whole or not at all; sum is the file's own SHA-256 in hexadecimal digits.
func WriteFile(path string, m Manifest, files []File) (_ Manifest, sum string, err error) {
	out, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644), renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return m, "", fmt.Errorf("write %s: %w", path, err)
	}
	defer out.Cleanup()
	whole := sha256.New()
	if m, err = Write(io.MultiWriter(out, whole), m, files); err != nil {
		return m, "", err
	}
	if err := out.CloseAtomicallyReplace(); err != nil {
		return m, "", fmt.Errorf("write %s: %w", path, err)
	}
	return m, hex.EncodeToString(whole.Sum(nil)), nil
}

// writeTar ends a block behind the manifest: whoever has only the beginning of the file can say what it was.
func writeTar(w *zstd.Encoder, manifest []byte, entries []Entry, files []File) error {
	out := tar.NewWriter(w)
	if err := out.WriteHeader(manifestHeader(len(manifest))); err != nil {
		return err
	}
	if _, err := out.Write(manifest); err != nil {
		return err
	}
	if err := errors.Join(out.Flush(), w.Flush()); err != nil {
		return err
	}
	for i, f := range files {
		if err := f.write(out, entries[i]); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return out.Close()
}

// write writes the file, which is to be what its entry says.
func (f File) write(out *tar.Writer, e Entry) error {
	in, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close()
	if err := out.WriteHeader(e.header()); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(out, sum), in, e.Size); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != e.SHA256 {
		return errors.New("it was changed while it was read")
	}
	return nil
}

// header is the only one that the entry can have.
func (e Entry) header() *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: e.Name, Size: e.Size, Mode: int64(e.perm())}
}

func manifestHeader(size int) *tar.Header {
	return Entry{Name: ManifestName, Size: int64(size)}.header()
}

// sealSize is that of the frame behind the archive, and sealMagic how it begins: as one that zstd skips (RFC 8878, 3.1.2).
const (
	sealSize  = 8 + sha256.Size
	sealMagic = 0x184D2A5D
)

func seal(sum hash.Hash) []byte {
	frame := binary.LittleEndian.AppendUint32(nil, sealMagic)
	frame = binary.LittleEndian.AppendUint32(frame, sha256.Size)
	return sum.Sum(frame)
}
