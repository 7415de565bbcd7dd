package vm

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"

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

// The monitor stands between QEMU and go-qemu's client, which cannot be connected to QEMU itself. The client takes an event
// before the end of the handshake for the handshake's answer, reads no further while nobody receives an event or an
// unexpected answer, ends at a line over 64 KiB, and returns answers that share memory with its read buffer: as soon as
// an event follows, that is a data race.
//
// So the client sees one short line for each of its commands and nothing else. Events go to observe, and what a command
// returned to answers.

// dial makes go-qemu's client. As that can only dial an address, it gets a nameless one in the abstract name space, and
// only a connection from this very process is accepted there.
func (m *monitor) dial() error {
	// An empty name lets the kernel choose one (unix(7), autobind).
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix"})
	if err != nil {
		return err
	}
	defer listener.Close()
	if m.socket, err = qmp.NewSocketMonitor("unix", listener.Addr().String(), 0); err != nil {
		return err
	}
	client, err := listener.AcceptUnix()
	for err == nil && !isOwn(client) {
		client.Close()
		client, err = listener.AcceptUnix()
	}
	m.client = client
	return err
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

// relay passes lines on until either side hangs up.
func (m *monitor) relay() {
	defer close(m.ended)
	defer m.hangUp()
	go io.Copy(m.qemu, m.client)
	in := bufio.NewReader(m.qemu)
	greeting, err := readLine(in)
	if err != nil || !json.Valid(greeting) || greeting[0] != '{' {
		return // go-qemu would wait for the end of anything but a whole object
	}
	for line := greeting; err == nil; {
		if _, err = m.client.Write(line); err == nil {
			line, err = m.nextAnswer(in)
		}
	}
}

// nextAnswer reads on to the answer that a command waits for, and returns what go-qemu is to see of it.
func (m *monitor) nextAnswer(in *bufio.Reader) ([]byte, error) {
	for {
		line, err := readLine(in)
		if err != nil {
			return nil, err
		}
		var event qmp.Event
		if json.Unmarshal(line, &event) == nil && event.Event != "" {
			m.observe(event)
			continue
		}
		var answer struct {
			Return json.RawMessage `json:"return,omitempty"`
			Error  json.RawMessage `json:"error,omitempty"`
		}
		if json.Unmarshal(line, &answer) != nil || !m.waiting.CompareAndSwap(true, false) {
			continue
		}
		if answer.Error == nil {
			m.answers <- answer.Return
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
