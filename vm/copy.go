package vm

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// copiers copy the bytes of a guest's channels, each in a goroutine of its own, until QEMU's death ends them.
type copiers struct {
	conns    []net.Conn
	console  *countedConn
	terminal io.ReadWriter
	input    chan struct{} // closed when nothing more is read from terminal
	wg       sync.WaitGroup
	mu       sync.Mutex
	errs     []error
}

func startCopiers(m *Machine, ch *channels) *copiers {
	c := &copiers{terminal: m.Terminal, input: make(chan struct{}), console: &countedConn{Conn: ch.console.ours}}
	c.drain("console", m.Console, c.console)
	c.drain("report", m.Report, ch.report.ours)
	if m.Terminal != nil {
		c.drain("terminal", m.Terminal, ch.terminal.ours)
		go func() {
			defer close(c.input)
			io.Copy(ch.terminal.ours, m.Terminal)
		}()
	}
	return c
}

// drain copies everything that comes from the guest to w. When w fails the rest is dropped: a guest whose port nobody
// reads would stop at its next write.
func (c *copiers) drain(name string, w io.Writer, conn net.Conn) {
	c.conns = append(c.conns, conn)
	c.wg.Go(func() {
		defer conn.Close()
		if w != nil {
			to := &errWriter{w: w}
			if _, err := io.Copy(to, conn); err == nil || to.err == nil {
				return // a read error is the guest's end, as EOF is
			}
			c.fail(fmt.Errorf("write %s: %w", name, to.err))
		}
		io.Copy(io.Discard, conn)
	})
}

func (c *copiers) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

// wait returns when the last bytes were written, or after limit with an error.
func (c *copiers) wait(limit time.Duration) error {
	c.stopInput()
	idle := make(chan struct{})
	go func() {
		c.wg.Wait()
		close(idle)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
		for _, conn := range c.conns {
			conn.Close()
		}
		c.fail(fmt.Errorf("the writer of a channel did not return within %v after the guest's end", limit))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}

// stopInput ends the read from the terminal if it can have a deadline. Otherwise the read goes on until the next key is
// pressed, and nobody waits for it.
func (c *copiers) stopInput() {
	t, ok := c.terminal.(interface{ SetReadDeadline(time.Time) error })
	if !ok || t.SetReadDeadline(time.Unix(1, 0)) != nil {
		return
	}
	<-c.input
	t.SetReadDeadline(time.Time{}) // the next reader of the caller's terminal finds it as it was
}

// errWriter keeps the writer's error: io.Copy's may be the reader's as well.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) Write(b []byte) (int, error) {
	n, err := e.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	e.err = err
	return n, err
}

// countedConn counts the bytes that were read from it.
type countedConn struct {
	net.Conn
	bytes atomic.Int64
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}
