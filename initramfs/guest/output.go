package guest

import (
	"fmt"
	"sync"
)

// The parts of a suite process's output that are kept, in bytes.
const (
	keepHead  = 64 << 10
	keepTail  = 60 << 10 // fits into one frame together with the line that says what was left out
	flushSize = 4 << 10
)

// output forwards what a process prints: the beginning as it comes, lest the kernel dies, and the end at its end.
type output struct {
	send func(string)

	mu      sync.Mutex
	head    int    // bytes of the beginning, sent or pending
	pending []byte // of the beginning, to be sent
	tail    []byte
	lost    int64 // bytes between beginning and tail
}

// Write never fails. It sends when there is enough for a frame.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	head := min(len(b), keepHead-o.head)
	o.head += head
	o.pending = append(o.pending, b[:head]...)
	if len(o.pending) >= flushSize {
		o.flushLocked()
	}
	o.tail = append(o.tail, b[head:]...)
	if over := len(o.tail) - keepTail; over > keepTail { // not earlier, for each time keepTail bytes are moved
		o.lost += int64(over)
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
	return len(b), nil
}

func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushLocked()
}

func (o *output) flushLocked() {
	if len(o.pending) > 0 {
		o.send(string(o.pending))
		o.pending = o.pending[:0]
	}
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushLocked()
	if over := len(o.tail) - keepTail; over > 0 {
		o.lost += int64(over)
		o.tail = o.tail[over:]
	}
	if o.lost > 0 {
		o.send(fmt.Sprintf("\n[%d bytes left out]\n%s", o.lost, o.tail))
	} else if len(o.tail) > 0 {
		o.send(string(o.tail))
	}
	o.tail, o.lost = nil, 0
}
