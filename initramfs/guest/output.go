package guest

import (
	"fmt"
	"sync"
)

// What is kept of what a suite process prints: so much of the beginning, so much of the end.
const (
	keepHead  = 64 << 10
	keepTail  = 60 << 10 // fits into one frame together with the line that says what was left out
	flushSize = 4 << 10
)

// output passes on what a process prints: the beginning as it comes, so that it is known even if the kernel dies, and
// the end of the rest when the process has ended.
type output struct {
	send func(string)

	mu      sync.Mutex
	head    int    // bytes sent or pending of the beginning
	pending []byte // of the beginning, not sent yet
	tail    []byte
	lost    int64 // bytes between beginning and tail
}

func newOutput(send func(string)) *output {
	return &output{send: send}
}

// Write takes everything, and sends when there is enough for a frame.
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
	if over := len(o.tail) - keepTail; over > keepTail { // by then it pays to move the rest
		o.lost += int64(over)
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
	return len(b), nil
}

// flush sends what came since, of the beginning.
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

// end sends the rest.
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
