package guests

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
	"sync"
)

// line is the report port, on which a frame may come to harm.
type line struct {
	to   io.Writer
	how  string // what becomes of the next frame; empty: nothing
	mu   sync.Mutex
	last []byte
}

// Write gets one frame.
func (l *line) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := bytes.Clone(b)
	switch l.how {
	case "lose":
		out = nil
	case "double":
		out = append(out, b...)
	case "halve":
		out = out[:len(b)/2]
	case "garble": // in the text: the checksum is wrong
		out[len(b)/2] ^= 1
	case "again": // the frame before it comes in its place
		out = l.last
	default:
		if _, size, ok := strings.Cut(l.how, "stretch:"); ok {
			out = stretch(b, number(size))
		}
	}
	l.how, l.last = "", bytes.Clone(b)
	_, err := l.to.Write(out)
	return len(b), err
}

// stretch returns the same frame with so many bytes of JSON, most of them blanks.
func stretch(b []byte, size int) []byte {
	const header, sum = 12, 4 // see package wire
	text := b[header : len(b)-sum]
	text = append(bytes.Repeat([]byte(" "), size-len(text)), text...)
	out := binary.LittleEndian.AppendUint32(bytes.Clone(b[:4]), uint32(len(text)))
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
	out = append(out, text...)
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(text))
}
