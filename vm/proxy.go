package vm

import (
	"bufio"
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
	maxLine  = 1 << 20  // of what QEMU sends
	maxError = 32 << 10 // go-qemu reads lines of up to 64 KiB
)

var (
	accepted = []byte(`{"return":{}}` + "\n")
	tooLong  = []byte(`{"error":{"class":"GenericError","desc":"answer too long"}}` + "\n")
)

// proxy stands between QEMU and go-qemu's client, which cannot be connected to QEMU itself. The client takes an event
// before the end of the handshake for the handshake's answer, reads no further while nobody receives an event or an
// unexpected answer, ends at a line over 64 KiB, and returns answers that share memory with its read buffer: as soon as
// an event follows, that is a data race.
//
// So the client sees one short line for each of its commands and nothing else. The proxy hands events to observe, and
// keeps what a command returned in answers.
type proxy struct {
	qemu    net.Conn
	client  net.Conn // the other end is go-qemu's
	observe func(qmp.Event)

	waiting atomic.Bool          // a command was sent and is not answered
	answers chan json.RawMessage // holds what the last command returned, unless it was an error
	closed  chan struct{}
	close   func()        // ends both connections
	ended   chan struct{} // nothing more is read from QEMU
}

// dialProxy returns go-qemu's client, and the proxy that connects it to qemu. As the client can only dial an address, it
// gets a nameless one in the abstract name space, and only a connection from this very process is accepted there.
func dialProxy(qemu net.Conn, observe func(qmp.Event)) (*proxy, *qmp.SocketMonitor, error) {
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
	client, err := listener.AcceptUnix()
	for err == nil && !isOwn(client) {
		client.Close()
		client, err = listener.AcceptUnix()
	}
	if err != nil {
		return nil, nil, err
	}
	p := &proxy{qemu: qemu, client: client, observe: observe, answers: make(chan json.RawMessage, 1),
		closed: make(chan struct{}), ended: make(chan struct{})}
	p.close = sync.OnceFunc(func() {
		close(p.closed)
		qemu.Close()
		client.Close()
	})
	return p, socket, nil
}

// isOwn reports whether the other end of conn is in this process.
func isOwn(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	own := false
	err = raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		own = err == nil && int(peer.Pid) == unix.Getpid()
	})
	return err == nil && own
}

// run passes lines on until either side hangs up.
func (p *proxy) run() {
	defer close(p.ended)
	defer p.close()
	go io.Copy(p.qemu, p.client)
	in := bufio.NewReader(p.qemu)
	greeting, err := readLine(in)
	if err != nil || !json.Valid(greeting) || greeting[0] != '{' {
		return // go-qemu would wait for the end of anything but a whole object
	}
	for line := greeting; err == nil; {
		if _, err = p.client.Write(line); err == nil {
			line, err = p.nextAnswer(in)
		}
	}
}

// nextAnswer reads on to the answer that a command waits for, and returns what go-qemu is to see of it.
func (p *proxy) nextAnswer(in *bufio.Reader) ([]byte, error) {
	for {
		line, err := readLine(in)
		if err != nil {
			return nil, err
		}
		var event qmp.Event
		if json.Unmarshal(line, &event) == nil && event.Event != "" {
			p.observe(event)
			continue
		}
		var answer struct {
			Return json.RawMessage `json:"return,omitempty"`
			Error  json.RawMessage `json:"error,omitempty"`
		}
		if json.Unmarshal(line, &answer) != nil || !p.waiting.CompareAndSwap(true, false) {
			continue
		}
		if answer.Error == nil {
			p.answers <- answer.Return
			return accepted, nil
		}
		answer.Return = nil
		if line, err = json.Marshal(answer); err != nil || len(line) > maxError {
			return tooLong, nil
		}
		return append(line, '\n'), nil
	}
}

// readLine returns the next line with its end. In place of one that is too long it returns an answer that says so.
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
