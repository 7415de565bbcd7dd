package vm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/digitalocean/go-qemu/qmp"
	"golang.org/x/sys/unix"
)

const (
	// maxLine bounds a line of QEMU's.
	maxLine = 1 << 20
	// maxPacket bounds what reaches go-qemu in one piece: the room that its bufio.Scanner has at least when it holds
	// nothing, half of its first buffer.
	maxPacket = 2048
	// maxEarly bounds the events kept from before the handshake's end. QEMU sends none; one that sends more is not QEMU.
	maxEarly = 64
)

// answered is an event of our own, sent right behind every answer. While nobody takes it in, go-qemu's reader waits.
const answered = "MODMATRIX_ANSWERED"

var (
	barrier  = []byte(`{"event":"` + answered + `"}` + "\n")
	accepted = []byte(`{"return":{}}` + "\n")
	tooLong  = []byte(`{"error":{"class":"GenericError","desc":"answer too long"}}` + "\n")
)

// relay stands between QEMU and go-qemu's monitor, which it shields from four things that go-qemu cannot bear: an
// event before the handshake's end is taken for the handshake's answer; the answer of a command lies in the read buffer
// while the reader goes on to write into it, which is a data race; a line over 64 KiB ends the reader for good; an
// answer that nobody waits for blocks it.
//
// So the relay keeps early events back, keeps each answer for Exec and tells go-qemu only whether it was a good one,
// and sends an event of its own behind it. The reader cannot get past that event before Monitor has let it, and so
// touches its buffer only when the command is over. That the two come in one piece is what the packet socket is for.
type relay struct {
	qemu    net.Conn
	lib     *net.UnixConn // go-qemu's end is the other one
	wanted  atomic.Bool   // an answer is waited for
	answers chan json.RawMessage
	taken   chan struct{} // the command is over: go-qemu may read on
	stop    chan struct{}
	ended   chan struct{} // nothing more is read from QEMU
	once    sync.Once
}

// dialRelay makes go-qemu's monitor for conn. It can only dial an address, so it gets a nameless one in the abstract
// name space, and only a connection from this very process is accepted there.
func dialRelay(conn net.Conn) (*relay, *qmp.SocketMonitor, error) {
	// An empty name lets the kernel choose one (unix(7), autobind).
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket"})
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	socket, err := qmp.NewSocketMonitor("unixpacket", listener.Addr().String(), 0)
	if err != nil {
		return nil, nil, err
	}
	for {
		lib, err := listener.AcceptUnix()
		if err != nil {
			return nil, nil, err
		}
		if fromUs(lib) {
			return &relay{qemu: conn, lib: lib, answers: make(chan json.RawMessage, 1),
				taken: make(chan struct{}), stop: make(chan struct{}), ended: make(chan struct{})}, socket, nil
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

// run passes lines on until either side hangs up.
func (r *relay) run() {
	defer close(r.ended)
	defer r.close()
	go r.forward()
	in := bufio.NewReader(r.qemu)
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

// forward passes commands. With each but the handshake's an answer is waited for, and not before: to an earlier one
// go-qemu would not listen, and not read on.
func (r *relay) forward() {
	command := make([]byte, maxCommand+1)
	for handshake := true; ; handshake = false {
		n, err := r.lib.Read(command)
		if err != nil {
			r.close()
			return
		}
		r.wanted.Store(!handshake)
		if _, err := r.qemu.Write(command[:n]); err != nil {
			return // QEMU is dead, and what it said last is still to be read
		}
	}
}

// handshake passes the greeting and the answer to qmp_capabilities, and the events that came before it only when
// go-qemu is ready for them.
func (r *relay) handshake(in *bufio.Reader) error {
	greeting, err := readLine(in)
	if err != nil {
		return err
	}
	if err := r.send(bytes.TrimSpace(greeting)); err != nil {
		return err
	}
	var early [][]byte
	line, err := readLine(in)
	for ; err == nil && isEvent(line); line, err = readLine(in) {
		if early = append(early, line); len(early) > maxEarly {
			return errors.New("too many events before the handshake")
		}
	}
	if err != nil {
		return err
	}
	if err := r.send(bytes.TrimSpace(line)); err != nil {
		return err
	}
	select {
	case <-r.taken:
	case <-r.stop:
		return net.ErrClosed
	}
	for _, line := range early {
		if err := r.pass(line); err != nil {
			return err
		}
	}
	return nil
}

// send gives go-qemu's handshake, which may read in pieces, what it is to read: whole objects alone, as it waits for
// the end of anything else, be it a number.
func (r *relay) send(text []byte) error {
	if !json.Valid(text) || text[0] != '{' {
		return errors.New("not QMP")
	}
	for len(text) > 0 {
		n := min(len(text), 512)
		if _, err := r.lib.Write(text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// pass hands one line on: an event at once, an answer if somebody waits for it, anything else not at all.
func (r *relay) pass(line []byte) error {
	if isEvent(line) {
		if len(line) > maxPacket || bytes.Contains(line, []byte(answered)) {
			return nil
		}
		_, err := r.lib.Write(line)
		return err
	}
	var answer struct {
		Return json.RawMessage `json:"return"`
		Error  json.RawMessage `json:"error"`
	}
	if json.Unmarshal(line, &answer) != nil || !r.wanted.CompareAndSwap(true, false) {
		return nil
	}
	short := accepted
	if answer.Error == nil {
		r.answers <- answer.Return
	} else if short = line; len(line)+len(barrier) > maxPacket {
		short = tooLong
	}
	_, err := r.lib.Write(append(bytes.Clone(short), barrier...))
	return err
}

// copied lets go-qemu read on after an answer.
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

// readLine returns the next line with its end. In place of one that is too long comes an answer that says so.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		if len(line) <= maxLine {
			line = append(line, piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if len(line) > maxLine {
			line = tooLong
		}
		return line, err
	}
}
