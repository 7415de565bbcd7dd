package wire

import (
	"bufio"
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
	// maxDamage bounds the damaged frames that are looked through, up to MaxFrame bytes each; a noisy line has fewer.
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

// Write numbers, stamps, cleans and sends f with one Write of the stream. A frame too large for the line uses up no number.
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

// Reader reads frames from a stream that it does not trust: what is between frames is skipped, what is in them is
// bounded and cleaned. It needs at most a few MiB, whatever comes.
type Reader struct {
	// Garbage counts bytes that belonged to no frame.
	Garbage int64
	// Damaged counts whole frames with a wrong checksum or with content that is no Frame.
	Damaged int

	in  *bufio.Reader
	cut bool // a frame has begun among the bytes that were skipped last
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(r, headerSize+MaxFrame+crcSize)}
}

// Next returns the next frame. At the stream's end it returns io.EOF, or io.ErrUnexpectedEOF where the stream ends
// within a frame; ErrDamaged when the stream is hopeless; any other error is the stream's own.
func (r *Reader) Next() (Frame, error) {
	for r.Damaged <= maxDamage {
		size, err := r.sync()
		if err != nil {
			return Frame{}, err
		}
		whole, err := r.in.Peek(headerSize + size + crcSize)
		if err != nil { // the stream's end; a whole frame may still begin further on
			r.cut = true
			r.skip(1)
			continue
		}
		f, ok := decode(whole[headerSize:])
		if !ok {
			r.Damaged++
			r.skip(1)
			continue
		}
		_, _ = r.in.Discard(len(whole)) // it is buffered
		r.cut = false
		return f, nil
	}
	return Frame{}, ErrDamaged
}

// sync skips to the next whole header whose checksum is right, and returns the length of the JSON that it announces.
func (r *Reader) sync() (int, error) {
	for {
		b, err := r.in.Peek(headerSize)
		if err == nil && string(b[:len(magic)]) == magic && crc32.ChecksumIEEE(b[:8]) == binary.LittleEndian.Uint32(b[8:]) {
			if size := binary.LittleEndian.Uint32(b[4:]); size <= MaxFrame {
				return int(size), nil
			}
		}
		switch {
		case len(b) > 0:
			r.cut = r.cut || err != nil && bytes.HasPrefix([]byte(magic), b[:min(len(b), len(magic))])
			if next := bytes.IndexByte(b[1:], magic[0]); next >= 0 {
				b = b[:1+next]
			}
			r.skip(len(b))
		case err == io.EOF && r.cut:
			return 0, io.ErrUnexpectedEOF
		default:
			return 0, err
		}
	}
}

func (r *Reader) skip(n int) {
	r.Garbage += int64(n)
	_, _ = r.in.Discard(n) // they are buffered
}

// decode makes a cleaned frame of JSON and its checksum, unless it is damaged, or would grow without measure.
func decode(b []byte) (Frame, bool) {
	var f Frame
	text, sum := b[:len(b)-crcSize], b[len(b)-crcSize:]
	if crc32.ChecksumIEEE(text) != binary.LittleEndian.Uint32(sum) || !bounded(text) || json.Unmarshal(text, &f) != nil || f.Kind == "" {
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

// ack ends PID 1's answer to each frame of a suite process.
const ack = '\x06'

// Ack is PID 1's answer to a frame: why its request was refused, empty for done, and the end of the answer.
func Ack(refused string) []byte { return append([]byte(line(refused)), ack) } // line leaves no such byte in a text

// PipeWriter is a suite process's end of its pipes to PID 1.
type PipeWriter struct {
	mu     sync.Mutex
	frames *Writer
	acks   io.Reader
}

// NewPipeWriter returns a PipeWriter that sends to frames and waits on acks.
func NewPipeWriter(frames io.Writer, acks io.Reader) *PipeWriter {
	return &PipeWriter{frames: NewWriter(frames, ""), acks: acks}
}

// Write sends f and waits until PID 1 has sent it out of the guest and marked it in the kernel log, so that whatever the
// kernel logs after Write has returned belongs behind f. An error may be PID 1's answer: why f was refused.
func (p *PipeWriter) Write(f Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.frames.Write(f); err != nil {
		return err
	}
	refused, err := p.readAck()
	if err != nil {
		return fmt.Errorf("wait for PID 1 to take the %s frame: %w", f.Kind, err)
	}
	if refused != "" {
		return errors.New(refused)
	}
	return nil
}

// readAck reads byte by byte, lest it takes some of the next answer.
func (p *PipeWriter) readAck() (string, error) {
	var text []byte
	for one := make([]byte, 1); len(text) <= maxName; text = append(text, one[0]) {
		if _, err := io.ReadFull(p.acks, one); err != nil {
			return "", err
		}
		if one[0] == ack {
			return string(text), nil
		}
	}
	return "", errors.New("the answer has no end")
}
