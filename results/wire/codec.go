package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"
)

// A frame on the line is a header of 12 bytes, the frame as JSON, and the JSON's checksum:
//
//	magic (4) · length of the JSON (4) · CRC-32 of these 8 bytes (4) · JSON · CRC-32 of the JSON (4)
//
// Numbers are little-endian. The magic starts with a byte that UTF-8 never has, so no text can look like a frame, and the
// header has its own checksum, so noise cannot announce a length and make the reader wait for it.
const (
	magic      = "\xf5MMX"
	headerSize = 12
	crcSize    = 4
	// MaxFrame bounds the JSON of one frame, in bytes.
	MaxFrame = 1 << 20
	// maxDepth and maxCommas bound what JSON of that size can grow to in memory.
	maxDepth  = 8
	maxCommas = 1 << 15
	// maxDamage is how many whole frames with a wrong checksum are looked through before the reader gives up: each
	// costs a look at up to MaxFrame bytes, and who sends so many is not a noisy line.
	maxDamage = 1000
)

// ErrDamaged says that too many frames were damaged for the stream to be worth reading.
var ErrDamaged = errors.New("too many damaged frames")

// Writer puts frames on a stream. It may be used by many goroutines at once.
type Writer struct {
	// Clock gives the time for Frame.At, in milliseconds; nil counts from NewWriter.
	Clock func() int64

	mu    sync.Mutex
	w     io.Writer
	nonce string
	seq   uint64
}

// NewWriter returns a Writer whose frames carry nonce and are numbered from 1.
func NewWriter(w io.Writer, nonce string) *Writer {
	start := time.Now()
	return &Writer{w: w, nonce: nonce, Clock: func() int64 { return time.Since(start).Milliseconds() }}
}

// Write numbers, stamps, cleans and sends f with a single call of the stream's Write.
// A frame that is too large for the line uses up no number.
func (w *Writer) Write(f Frame) error {
	f.clean()
	w.mu.Lock()
	defer w.mu.Unlock()
	f.Nonce, f.Seq, f.At = w.nonce, w.seq+1, w.Clock()
	b, err := encode(f)
	if err != nil {
		return err
	}
	w.seq++
	if _, err := w.w.Write(b); err != nil {
		return fmt.Errorf("write %s frame: %w", f.Kind, err)
	}
	return nil
}

// encode gives the bytes of a frame on the line.
func encode(f Frame) ([]byte, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode %s frame: %w", f.Kind, err)
	}
	if len(text) > MaxFrame || !bounded(text) {
		return nil, fmt.Errorf("encode %s frame: too large for the line (%d bytes)", f.Kind, len(text))
	}
	b := make([]byte, 0, headerSize+len(text)+crcSize)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(b, text...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(text)), nil
}

// Reader takes frames from a stream that it does not trust: what is between frames is skipped, what is in them is
// bounded and cleaned. It needs at most a few MiB, whatever comes.
type Reader struct {
	// Garbage counts bytes that belonged to no frame.
	Garbage int64
	// Damaged counts whole frames with a wrong checksum or with content that is no Frame.
	Damaged int

	r   io.Reader
	buf []byte
	err error // of r; what was read before it still counts
	cut bool  // the bytes skipped last began a frame
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: r}
}

// Next returns the next frame. At the stream's end it returns io.EOF, or io.ErrUnexpectedEOF where the stream ends
// within a frame; ErrDamaged when the stream is hopeless; any other error is the stream's own.
func (r *Reader) Next() (Frame, error) {
	for r.Damaged <= maxDamage {
		if err := r.sync(); err != nil {
			return Frame{}, err
		}
		text, whole := r.candidate()
		if !whole {
			r.cut = true
			r.skip(1)
			continue
		}
		f, ok := decode(text)
		if !ok {
			r.Damaged++
			r.skip(1)
			continue
		}
		r.buf = r.buf[headerSize+len(text)+crcSize:]
		r.cut = false
		return f, nil
	}
	return Frame{}, ErrDamaged
}

// sync skips to the next whole header whose checksum is right.
func (r *Reader) sync() error {
	for {
		at := bytes.IndexByte(r.buf, magic[0])
		if at < 0 {
			at = len(r.buf)
		}
		r.skip(at)
		if !r.fill(headerSize) {
			return r.end()
		}
		if string(r.buf[:len(magic)]) == magic && crc32.ChecksumIEEE(r.buf[:8]) == binary.LittleEndian.Uint32(r.buf[8:]) &&
			binary.LittleEndian.Uint32(r.buf[4:]) <= MaxFrame {
			return nil
		}
		r.skip(1)
	}
}

// end tells how the stream ended, once fewer bytes than a header are left of it.
func (r *Reader) end() error {
	began := len(r.buf) > 0 && bytes.HasPrefix([]byte(magic), r.buf[:min(len(r.buf), len(magic))])
	if !began && len(r.buf) > 0 { // a magic's first byte, and then something else
		r.skip(1)
		return r.sync()
	}
	r.skip(len(r.buf))
	if r.err == io.EOF && (began || r.cut) {
		return io.ErrUnexpectedEOF
	}
	return r.err
}

// candidate returns the JSON of the frame whose header stands at the start of the buffer, as far as its checksum tells;
// a wrong one gives nil. It is not whole if the stream ends before it does.
func (r *Reader) candidate() (text []byte, whole bool) {
	size := headerSize + int(binary.LittleEndian.Uint32(r.buf[4:]))
	if !r.fill(size + crcSize) {
		return nil, false
	}
	text = r.buf[headerSize:size]
	if crc32.ChecksumIEEE(text) != binary.LittleEndian.Uint32(r.buf[size:]) {
		return nil, true
	}
	return text, true
}

// skip drops n bytes that belong to no frame.
func (r *Reader) skip(n int) {
	r.Garbage += int64(n)
	r.buf = r.buf[n:]
}

// fill reads until n bytes are buffered, and says whether they are.
func (r *Reader) fill(n int) bool {
	for empty := 0; len(r.buf) < n && r.err == nil; {
		if cap(r.buf)-len(r.buf) < 4096 {
			r.buf = append(make([]byte, 0, max(2*n, 64<<10)), r.buf...)
		}
		got, err := r.r.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf, r.err = r.buf[:len(r.buf)+got], err
		if empty++; got > 0 {
			empty = 0
		} else if empty > 100 && err == nil {
			r.err = io.ErrNoProgress
		}
	}
	return len(r.buf) >= n
}

// decode makes a cleaned frame of JSON, unless it is none, or one that would grow without measure.
func decode(text []byte) (Frame, bool) {
	var f Frame
	if len(text) == 0 || !bounded(text) || json.Unmarshal(text, &f) != nil || f.Kind == "" {
		return Frame{}, false
	}
	f.clean()
	return f, true
}

// bounded says whether JSON nests and enumerates little enough to be decoded. It need not be valid.
func bounded(text []byte) bool {
	depth, commas, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			commas++
		}
		if depth > maxDepth || commas > maxCommas {
			return false
		}
	}
	return true
}
