package vm

import (
	"fmt"
	"net"
	"os"

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
	return files
}

// closeTheirs closes our copies of QEMU's ends: from now on its death is EOF on every channel.
func (c *channels) closeTheirs() {
	for _, ch := range c.all {
		ch.theirs.Close()
	}
}

func (c *channels) close() {
	c.closeTheirs()
	for _, ch := range c.all {
		ch.ours.Close()
	}
}
