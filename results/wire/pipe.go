package wire

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

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
