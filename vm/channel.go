package vm

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// channel connects QEMU and us: a socket pair of which QEMU inherits one end. It has no name that could be too long,
// guessed, or left behind, and there is no connection to wait for.
type channel struct {
	ours   net.Conn
	theirs *os.File
}

// newChannel opens a pair; both ends are closed on exec but for the one that QEMU inherits.
func newChannel(name string) (channel, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return channel{}, fmt.Errorf("open %s channel: %w", name, err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name)
	defer ours.Close() // FileConn has its own copy
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return channel{}, fmt.Errorf("open %s channel: %w", name, err)
	}
	return channel{ours: conn, theirs: theirs}, nil
}

// sendBuffer is room for some 5000 bytes of a serial port.
const sendBuffer = 4 << 20

// widen enlarges the send buffer of QEMU's end of a serial port: QEMU sends each byte by itself, for which the kernel counts
// three quarters of a kilobyte, and a guest waits 10 ms for a full port before it overwrites the 16 bytes in it (Linux
// drivers/tty/serial/8250/8250_port.c, wait_for_lsr). Only root gets the whole buffer, others twice the default.
func (c channel) widen() {
	theirs, err := c.theirs.SyscallConn()
	if err != nil {
		return // it keeps the default
	}
	_ = theirs.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		}
	})
}

type channels struct {
	console, report, terminal, monitor channel
	all                                []channel // that are open, in the order of QEMU's descriptors
	debug                              *os.File  // that QEMU listens on for a debugger, behind these; nil for none
}

// firstExtra is the descriptor number of the first of exec.Cmd's ExtraFiles.
const firstExtra = 3

// openChannels opens every channel, or none. The third port has a null backend unless a terminal is wanted.
func openChannels(terminal bool) (*channels, backends, error) {
	c, b := &channels{}, backends{terminal: "null"}
	type end struct {
		name    string
		channel *channel
		backend *string
	}
	ends := []end{{"monitor", &c.monitor, &b.monitor}, {"console", &c.console, &b.console}, {"report", &c.report, &b.report}}
	if terminal {
		ends = append(ends, end{"terminal", &c.terminal, &b.terminal})
	}
	for i, e := range ends {
		var err error
		if *e.channel, err = newChannel(e.name); err != nil {
			c.close()
			return nil, b, err
		}
		c.all = append(c.all, *e.channel)
		*e.backend = fmt.Sprintf("socket,fd=%d", firstExtra+i)
	}
	// The monitor keeps its small buffer: its answers would come behind all the events that find room.
	c.console.widen()
	c.report.widen()
	return c, b, nil
}

// files are QEMU's ends, in the order of their descriptor numbers.
func (c *channels) files() (files []*os.File) {
	for _, ch := range c.all {
		files = append(files, ch.theirs)
	}
	if c.debug != nil {
		files = append(files, c.debug)
	}
	return files
}

// closeTheirs closes our copies of QEMU's ends: from now on its death is EOF on every channel.
func (c *channels) closeTheirs() {
	for _, ch := range c.all {
		ch.theirs.Close()
	}
	if c.debug != nil {
		c.debug.Close()
	}
}

func (c *channels) close() {
	c.closeTheirs()
	for _, ch := range c.all {
		ch.ours.Close()
	}
}

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
