package vm

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// channel is one way between QEMU and us: a socket pair that QEMU inherits one end of. It has no name that could be
// too long, guessed, or left behind, and no connection that could be missed.
type channel struct {
	ours   net.Conn
	theirs *os.File
}

// newChannel opens a pair; both ends are closed on exec but for the one that is handed over.
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

// widen makes room on QEMU's end of a serial port for what a guest says while a busy host keeps us from reading. QEMU sends
// each byte of it by itself, and the kernel counts three quarters of a kilobyte for that: 278 fill a socket. A guest's kernel
// waits 10 ms for a full port, and then writes over the 16 bytes in it (Linux drivers/tty/serial/8250/8250_port.c,
// wait_for_lsr). Only root gets all that is asked for, others get twice what they had.
func (c channel) widen() {
	theirs, err := c.theirs.SyscallConn()
	if err != nil {
		return // it has the room that it has
	}
	_ = theirs.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		}
	})
}

// channels are all the ways of one guest.
type channels struct {
	console, report, terminal, monitor channel
}

// firstExtra is the descriptor number of the first of exec.Cmd's ExtraFiles.
const firstExtra = 3

// openChannels opens every channel, or none. The third port leads nowhere unless a terminal is wanted.
func openChannels(terminal bool) (c *channels, b backends, err error) {
	c = &channels{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	b.terminal = "null"
	fd := firstExtra
	open := func(name string, ch *channel, backend *string) {
		if err != nil {
			return
		}
		if *ch, err = newChannel(name); err == nil {
			*backend = fmt.Sprintf("socket,fd=%d", fd)
			fd++
		}
	}
	open("monitor", &c.monitor, &b.monitor)
	open("console", &c.console, &b.console)
	open("report", &c.report, &b.report)
	if terminal {
		open("terminal", &c.terminal, &b.terminal)
	}
	if err == nil { // and not the monitor: its answers would come behind all the events that find room
		c.console.widen()
		c.report.widen()
	}
	return c, b, err
}

func (c *channels) all() []channel {
	var open []channel
	for _, ch := range []channel{c.monitor, c.console, c.report, c.terminal} {
		if ch.ours != nil {
			open = append(open, ch)
		}
	}
	return open
}

// files are QEMU's ends, in the order of their descriptor numbers.
func (c *channels) files() (files []*os.File) {
	for _, ch := range c.all() {
		files = append(files, ch.theirs)
	}
	return files
}

// handedOver closes our copies of QEMU's ends: from now on its death is the end of every channel.
func (c *channels) handedOver() {
	for _, ch := range c.all() {
		ch.theirs.Close()
	}
}

func (c *channels) close() {
	for _, ch := range c.all() {
		ch.ours.Close()
		ch.theirs.Close()
	}
}
