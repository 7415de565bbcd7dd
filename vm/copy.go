package vm

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// copiers copy the bytes of a guest's channels, each in a goroutine of its own, until QEMU's death ends them.
type copiers struct {
	conns    []net.Conn
	done     chan error // of each of conns
	console  *countedConn
	terminal io.ReadWriter
	input    chan struct{} // closed when nothing more is read from terminal
}

func startCopiers(m *Machine, ch *channels) *copiers {
	c := &copiers{terminal: m.Terminal, input: make(chan struct{}), console: &countedConn{Conn: ch.console.ours}, done: make(chan error, 3)}
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

// drain copies the guest's output to w. When w fails it drops the rest: a guest whose port nobody reads would stop.
func (c *copiers) drain(name string, w io.Writer, conn net.Conn) {
	c.conns = append(c.conns, conn)
	go func() {
		defer conn.Close()
		to := &errWriter{w: cmp.Or[io.Writer](w, io.Discard)}
		io.Copy(to, conn)
		if to.err != nil { // else it was a read error, which is the guest's end, as EOF is
			io.Copy(io.Discard, conn)
			to.err = fmt.Errorf("write %s: %w", name, to.err)
		}
		c.done <- to.err
	}()
}

// wait returns when the last bytes were written, or after limit with an error.
func (c *copiers) wait(limit time.Duration) error {
	c.stopInput()
	late := time.After(limit)
	var errs []error
	for range c.conns {
		select {
		case err := <-c.done:
			errs = append(errs, err)
		case <-late:
			for _, conn := range c.conns {
				conn.Close()
			}
			return errors.Join(append(errs, fmt.Errorf("the writer of a channel did not return within %v after the guest's end", limit))...)
		}
	}
	return errors.Join(errs...)
}

// stopInput ends the read from a terminal that has deadlines; any other read ends with the next key, and nobody waits for it.
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

type countedConn struct {
	net.Conn
	bytes atomic.Int64
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}
