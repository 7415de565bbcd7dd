package initramfs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/renameio/v2"
	"github.com/klauspost/compress/zstd"
)

// Ready is a file for guests that was made before, so that nothing has to be compiled here: the image that they share, or a
// suite. It is plain data, and may be a stranger's: what it is known by is its digest, to which Write holds its content.
type Ready struct {
	Suite  string `json:"suite,omitempty"` // the suite that it is the static test binary of; empty: it is the image, as of BuildBase
	Arch   string `json:"arch"`            // of the guests that it is for, in uname -m's spelling
	SHA256 string `json:"sha256"`          // of its content, in hexadecimal digits
	Size   int64  `json:"size"`            // of its content, in bytes
	Path   string `json:"path"`            // of the file, on this machine

	files fs.FS // which Path is in, compressed; nil: it is a plain file
}

// What names r in a message.
func (r Ready) What() string {
	if r.Suite == "" {
		return "guest image for " + r.Arch
	}
	return "suite " + r.Suite + " for " + r.Arch
}

// maxReady bounds the content, in bytes: what a guest has of memory is seldom more.
const maxReady = 1 << 30

var (
	readyName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$`)
	readyDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Check says what is wrong with r itself: its names and digest become names of folders.
func (r Ready) Check() error {
	switch {
	case r.Suite != "" && !readyName.MatchString(r.Suite):
		return fmt.Errorf("%q is no name for a suite", r.Suite)
	case !readyName.MatchString(r.Arch):
		return fmt.Errorf("%q is no architecture", r.Arch)
	case !readyDigest.MatchString(r.SHA256):
		return fmt.Errorf("%s: %q is no SHA-256 digest", r.What(), r.SHA256)
	case r.Size < 0 || r.Size > maxReady:
		return fmt.Errorf("%s: %d bytes is no size for it: at most %d MiB", r.What(), r.Size, maxReady>>20)
	}
	return nil
}

// Write writes the content to out, whole or not at all. One that is not what Size and SHA256 say is refused.
func (r Ready) Write(out string) error {
	in, err := r.open()
	if err != nil {
		return fmt.Errorf("open %s: %w", r.What(), err)
	}
	defer in.Close()
	file, err := renameio.NewPendingFile(out, renameio.WithPermissions(0o755), renameio.WithTempDir(filepath.Dir(out)))
	if err != nil {
		return fmt.Errorf("write %s: %w", r.What(), err)
	}
	defer file.Cleanup()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum), io.LimitReader(in, r.Size+1))
	if err != nil {
		return fmt.Errorf("copy %s: %w", r.What(), err)
	}
	if n != r.Size || hex.EncodeToString(sum.Sum(nil)) != r.SHA256 {
		return fmt.Errorf("%s is not the file that its SHA-256 digest is of: get it anew", r.What())
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", r.What(), err)
	}
	return nil
}

func (r Ready) open() (io.ReadCloser, error) {
	if r.files == nil {
		return os.Open(r.Path)
	}
	in, err := r.files.Open(r.Path)
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
	if err != nil {
		in.Close()
		return nil, err
	}
	return unpacker{z.IOReadCloser(), in}, nil
}

// unpacker also closes the file that it unpacks.
type unpacker struct {
	io.ReadCloser
	file io.Closer
}

func (u unpacker) Close() error {
	u.ReadCloser.Close()
	return u.file.Close()
}
