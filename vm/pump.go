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

// pumps carry the bytes of a guest's channels, each in a goroutine of its own, until QEMU's death ends them.
type pumps struct {
	conns    []net.Conn
	console  *heardConn
	terminal io.ReadWriter
	input    chan struct{} // closed when nothing more is read from terminal
	wg       sync.WaitGroup
	mu       sync.Mutex
	errs     []error
}

func startPumps(m *Machine, ch *channels) *pumps {
	p := &pumps{terminal: m.Terminal, input: make(chan struct{}), console: &heardConn{Conn: ch.console.ours}}
	p.drain("console", m.Console, p.console)
	p.drain("report", m.Report, ch.report.ours)
	if m.Terminal != nil {
		p.drain("terminal", m.Terminal, ch.terminal.ours)
		go func() {
			defer close(p.input)
			io.Copy(ch.terminal.ours, m.Terminal)
		}()
	}
	return p
}

// drain carries everything that comes from the guest to w. When w fails the rest is dropped, as a guest that is not
// listened to would stop where it stands.
func (p *pumps) drain(name string, w io.Writer, conn net.Conn) {
	p.conns = append(p.conns, conn)
	p.wg.Go(func() {
		defer conn.Close()
		if w != nil {
			to := &tellingWriter{w: w}
			if _, err := io.Copy(to, conn); err == nil || to.err == nil {
				return // the guest's end; a reset says no more than that
			}
			p.fail(fmt.Errorf("write %s: %w", name, to.err))
		}
		io.Copy(io.Discard, conn)
	})
}

func (p *pumps) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
}

// wait returns when the last bytes were handed on, or after limit with an error.
func (p *pumps) wait(limit time.Duration) error {
	p.stopReading()
	idle := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(idle)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
		for _, conn := range p.conns {
			conn.Close()
		}
		p.fail(fmt.Errorf("the writer of a channel did not return within %v after the guest's end", limit))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.errs...)
}

// stopReading ends the read from the terminal where that can be done. Elsewhere it may sit there until the person
// types the next key, and nobody waits for it.
func (p *pumps) stopReading() {
	t, ok := p.terminal.(interface{ SetReadDeadline(time.Time) error })
	if !ok || t.SetReadDeadline(time.Unix(1, 0)) != nil {
		return
	}
	<-p.input
	t.SetReadDeadline(time.Time{}) // the terminal is not ours: the next reader finds it as it was
}

// tellingWriter remembers its error: io.Copy's may be the reader's as well.
type tellingWriter struct {
	w   io.Writer
	err error
}

func (t *tellingWriter) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	t.err = err
	return n, err
}

// heardConn knows how much was read from it.
type heardConn struct {
	net.Conn
	bytes atomic.Int64
}

func (c *heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}
