package wire

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// ack ends PID 1's answer to each frame of a suite process.
const ack = '\x06'

// Ack is the answer to a frame: nothing but its end where all is well, else why what it asked for was not done.
func Ack(refused string) []byte { return append([]byte(line(refused)), ack) } // which leaves no such byte in a text

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

// Write sends f and waits until PID 1 has sent it out of the guest and marked it in the kernel log. Whatever the kernel
// says after it returns, even if it is the last it says, therefore belongs behind f. An error may be PID 1's answer: why
// what f asks for was not done.
func (p *PipeWriter) Write(f Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.frames.Write(f); err != nil {
		return err
	}
	refused, err := p.answer()
	if err != nil {
		return fmt.Errorf("wait for PID 1 to take the %s frame: %w", f.Kind, err)
	}
	if refused != "" {
		return errors.New(refused)
	}
	return nil
}

// answer reads one byte at a time, and none behind the answer's end.
func (p *PipeWriter) answer() (string, error) {
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
