package wire

import (
	"fmt"
	"io"
	"sync"
)

// Ack is the byte with which PID 1 answers each frame of a suite process.
const Ack = '\x06'

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
// says after it returns, even if it is the last it says, therefore belongs behind f.
func (p *PipeWriter) Write(f Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.frames.Write(f); err != nil {
		return err
	}
	var ack [1]byte
	if _, err := io.ReadFull(p.acks, ack[:]); err != nil {
		return fmt.Errorf("wait for PID 1 to take the %s frame: %w", f.Kind, err)
	}
	return nil
}
