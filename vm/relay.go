package vm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/digitalocean/go-qemu/qmp"
	"golang.org/x/sys/unix"
)

const (
	// maxLine bounds a line of QEMU's, below the 64 KiB at which go-qemu's reader gives up for good.
	maxLine = 60 << 10
	// maxEarly bounds the events kept from before the handshake's end. QEMU sends none; one that sends more is not QEMU.
	maxEarly = 64
)

var tooLong = []byte(`{"error":{"class":"GenericError","desc":"answer too long for the monitor"}}` + "\n")

// relay stands between QEMU and go-qemu's monitor and passes QEMU's lines on, one answer at a time. go-qemu takes an
// event that comes before the handshake's answer for that answer, hands out its read buffer as the result of a
// command while it goes on reading into it, and stops at an answer that nobody waits for or that is too long.
// All of that needs a line that came too early, so here none does.
type relay struct {
	qemu   net.Conn
	lib    *net.UnixConn // go-qemu's end is the other one
	wanted atomic.Bool   // an answer is waited for
	taken  chan struct{} // the last answer was copied: the buffer may be overwritten
	stop   chan struct{}
	once   sync.Once
}

// dialRelay makes go-qemu's monitor for conn. It can only dial an address, so it gets a nameless one in the abstract
// name space, and only a connection from this very process is accepted there.
func dialRelay(conn net.Conn) (*relay, *qmp.SocketMonitor, error) {
	// An empty name lets the kernel choose one (unix(7), autobind).
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	socket, err := qmp.NewSocketMonitor("unix", listener.Addr().String(), 0)
	if err != nil {
		return nil, nil, err
	}
	for {
		lib, err := listener.AcceptUnix()
		if err != nil {
			return nil, nil, err
		}
		if fromUs(lib) {
			return &relay{qemu: conn, lib: lib, taken: make(chan struct{}), stop: make(chan struct{})}, socket, nil
		}
		lib.Close()
	}
}

// fromUs says whether the other end of conn is this process.
func fromUs(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	us := false
	err = raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		us = err == nil && int(peer.Pid) == unix.Getpid()
	})
	return err == nil && us
}

// run passes lines on until either side hangs up. It returns when nothing more will reach go-qemu.
func (r *relay) run() {
	defer r.close()
	go func() {
		defer r.close()
		io.Copy(r.qemu, r.lib)
	}()
	in := bufio.NewReaderSize(r.qemu, maxLine)
	if r.handshake(in) != nil {
		return
	}
	for {
		line, err := readLine(in)
		if err != nil || r.pass(line) != nil {
			return
		}
	}
}

// handshake passes the greeting and the answer to qmp_capabilities, and only then the events that came before it.
func (r *relay) handshake(in *bufio.Reader) error {
	greeting, err := readLine(in)
	if err != nil {
		return err
	}
	if _, err := r.lib.Write(greeting); err != nil {
		return err
	}
	var early [][]byte
	for {
		line, err := readLine(in)
		if err != nil {
			return err
		}
		if !isEvent(line) {
			if err := r.answer(line); err != nil {
				return err
			}
			break
		}
		if early = append(early, bytes.Clone(line)); len(early) > maxEarly {
			return errors.New("too many events before the handshake")
		}
	}
	for _, line := range early {
		if _, err := r.lib.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// pass hands one line on: an event at once, an answer if somebody waits for it, anything else not at all.
func (r *relay) pass(line []byte) error {
	if isEvent(line) {
		_, err := r.lib.Write(line)
		return err
	}
	if !json.Valid(line) || !r.wanted.CompareAndSwap(true, false) {
		return nil
	}
	return r.answer(line)
}

// answer hands one answer on, and returns when it was copied.
func (r *relay) answer(line []byte) error {
	if _, err := r.lib.Write(line); err != nil {
		return err
	}
	select {
	case <-r.taken:
		return nil
	case <-r.stop:
		return net.ErrClosed
	}
}

// copied lets the line after the last answer pass.
func (r *relay) copied() {
	select {
	case r.taken <- struct{}{}:
	case <-r.stop:
	}
}

// close ends both connections. go-qemu's is shut down and not closed: closed with something unread it would be reset,
// at which go-qemu's reader waits for ever for somebody to tell.
func (r *relay) close() {
	r.once.Do(func() {
		close(r.stop)
		r.qemu.Close()
		r.lib.CloseWrite()
		r.lib.CloseRead()
	})
}

// isEvent decides as go-qemu does, so that both always agree.
func isEvent(line []byte) bool {
	var e qmp.Event
	return json.Unmarshal(line, &e) == nil && e.Event != ""
}

// readLine returns the next line with its end, valid until the next call. In place of a line that is too long comes
// an answer that says so.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.ReadSlice('\n')
	}
	return tooLong, err
}
