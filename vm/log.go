package vm

import (
	"bytes"
	"fmt"
	"sync"
)

// Bounds of a BoundedLog's zero fields, in bytes: what a kernel says at boot always fits into the first, and what it
// says before it dies into the second.
const (
	DefaultHead = 1 << 20
	DefaultTail = 4 << 20
)

// BoundedLog is a writer that keeps the beginning and the end of what is written to it, whatever the amount.
// The zero value is ready for use. It may be read while it is written.
type BoundedLog struct {
	Head, Tail int // bytes kept of the beginning and the end; zero means the defaults. Not to change after a Write

	mu    sync.Mutex
	head  []byte
	ring  []byte // the end; once it is full, the oldest byte is at next
	next  int
	total int64
}

// Write keeps p within the bounds. It never fails.
func (l *BoundedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	l.total += int64(n)
	if room := orDefault(l.Head, DefaultHead) - len(l.head); room > 0 {
		take := min(room, len(p))
		l.head = append(l.head, p[:take]...)
		p = p[take:]
	}
	l.writeTail(p)
	return n, nil
}

func (l *BoundedLog) writeTail(p []byte) {
	limit := orDefault(l.Tail, DefaultTail)
	if len(p) >= limit {
		l.ring = append(l.ring[:0], p[len(p)-limit:]...)
		l.next = 0
		return
	}
	if room := limit - len(l.ring); room > 0 {
		take := min(room, len(p))
		l.ring = append(l.ring, p[:take]...)
		p = p[take:]
	}
	for len(p) > 0 {
		n := copy(l.ring[l.next:], p)
		p = p[n:]
		l.next = (l.next + n) % limit
	}
}

// Total is the number of bytes ever written.
func (l *BoundedLog) Total() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Bytes returns a copy of what was kept. Where bytes were dropped, whole lines are missing, and a line of its own says
// how many bytes they had.
func (l *BoundedLog) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	tail := append(bytes.Clone(l.ring[l.next:]), l.ring[:l.next]...)
	head := l.head
	if l.total == int64(len(head)+len(tail)) {
		return append(bytes.Clone(head), tail...)
	}
	if i := bytes.LastIndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	}
	if i := bytes.IndexByte(tail, '\n'); i >= 0 {
		tail = tail[i+1:]
	}
	out := bytes.Clone(head)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	dropped := l.total - int64(len(head)+len(tail))
	out = fmt.Appendf(out, "[modmatrix: %d bytes dropped here]\n", dropped)
	return append(out, tail...)
}

// String is Bytes as a string.
func (l *BoundedLog) String() string { return string(l.Bytes()) }

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
