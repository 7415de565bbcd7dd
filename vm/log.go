package vm

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// Bounds of a BoundedLog's zero fields, in bytes: a kernel's words at boot fit into the first, those before it dies into the second.
const (
	DefaultHead = 1 << 20
	DefaultTail = 4 << 20
)

// BoundedLog is a writer that keeps the beginning and the end of what is written to it, whatever the amount, and what Pick
// selects of the text between them. The zero value is ready for use. It may be read while it is written.
type BoundedLog struct {
	Head, Tail int    // bytes kept of the beginning and the end; zero means the defaults. Not to change after a Write
	Pick       Picker // nil: nothing between them is kept. Not to change after a Write

	mu    sync.Mutex
	head  []byte
	ring  []byte // the end; once it is full, the oldest byte is at next
	next  int
	total int64
	picks picks // from what left the ring
}

// Write keeps p within the bounds. It never fails.
func (l *BoundedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	l.total += int64(n)
	l.writeTail(fillTo(&l.head, cmp.Or(l.Head, DefaultHead), p))
	return n, nil
}

// fillTo appends to buf what has room in limit bytes, and returns the rest of p.
func fillTo(buf *[]byte, limit int, p []byte) []byte {
	n := min(len(p), max(limit-len(*buf), 0))
	*buf = append(*buf, p[:n]...)
	return p[n:]
}

func (l *BoundedLog) writeTail(p []byte) {
	limit := cmp.Or(l.Tail, DefaultTail)
	p = fillTo(&l.ring, limit, p)
	for len(p) > 0 {
		n := min(len(p), limit-l.next)
		l.drop(l.ring[l.next : l.next+n])
		copy(l.ring[l.next:], p[:n])
		p = p[n:]
		l.next = (l.next + n) % limit
	}
}

// drop passes p, for which there is no room, to Pick. Its first bytes may belong to the line that the head ends in.
func (l *BoundedLog) drop(p []byte) {
	if l.picks.pick == nil && l.Pick != nil {
		l.picks = newPicks(l.Pick, l.head[len(l.start()):])
	}
	l.picks.add(p)
}

// Dropped is the number of bytes that Bytes leaves out.
func (l *BoundedLog) Dropped() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, dropped := l.kept()
	return dropped
}

// Bytes returns a copy of what was kept. Where bytes were dropped, whole lines are missing, and a line says how many bytes.
func (l *BoundedLog) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept, _ := l.kept()
	return kept
}

func (l *BoundedLog) kept() (log []byte, dropped int64) {
	tail := append(bytes.Clone(l.ring[l.next:]), l.ring[:l.next]...)
	if l.total == int64(len(l.head)+len(tail)) {
		return append(bytes.Clone(l.head), tail...), 0
	}
	head := l.start()
	begin := bytes.IndexByte(tail, '\n') + 1 // behind the line whose beginning is dropped
	if l.picks.pick == nil {
		dropped = l.total - int64(len(head)+len(tail)-begin)
		return append(appendGap(bytes.Clone(head), dropped), tail[begin:]...), dropped
	}
	picked, dropped, begin := l.picks.finish(tail, begin)
	return slices.Concat(head, picked, tail[begin:]), dropped
}

// start is what is kept of the head when something behind it is dropped: whole lines, unless it has none.
func (l *BoundedLog) start() []byte {
	if lines := wholeLines(l.head); len(lines) > 0 {
		return lines
	}
	return l.head
}

// wholeLines is log without an unfinished line at its end.
func wholeLines(log []byte) []byte { return log[:bytes.LastIndexByte(log, '\n')+1] }

func appendGap(log []byte, n int64) []byte {
	if len(log) > 0 && log[len(log)-1] != '\n' {
		log = append(log, '\n')
	}
	return fmt.Appendf(log, "[modmatrix: %d bytes dropped here]\n", n)
}

// String is Bytes as a string.
func (l *BoundedLog) String() string { return string(l.Bytes()) }
