package vm

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"golang.org/x/sys/unix"
)

// execTimeout bounds a command whose context has no deadline. QEMU answers at once: what takes long goes on in the background.
const execTimeout = 30 * time.Second

// errHungUp says that the monitor's connection is closed: QEMU ended, or a command was given up.
var errHungUp = errors.New("QEMU hung up")

// monitor is QEMU's control connection (QMP), through go-qemu. Several goroutines may use it; commands run one after the other.
type monitor struct {
	Version string // of QEMU, from its greeting, e.g. "7.2.22"

	socket  *qmp.SocketMonitor
	qemu    net.Conn
	client  net.Conn // the other end is socket's
	observe func(qmp.Event)
	turn    chan struct{} // holds a token while no command runs

	waiting atomic.Bool          // a command was sent and is not answered
	answers chan json.RawMessage // holds what the last command returned, unless it was an error
	closed  chan struct{}
	hangUp  func()        // ends both connections
	ended   chan struct{} // nothing more is read from QEMU
}

// newMonitor shakes hands over conn, which it owns from here on. observe is called for every event, in order, by one
// goroutine; it must not block. When ctx ends first, nothing is left open.
func newMonitor(ctx context.Context, conn net.Conn, observe func(qmp.Event)) (*monitor, error) {
	m := &monitor{qemu: conn, observe: observe, turn: make(chan struct{}, 1), answers: make(chan json.RawMessage, 1),
		closed: make(chan struct{}), ended: make(chan struct{})}
	m.turn <- struct{}{}
	if err := m.dial(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect QMP: %w", err)
	}
	m.hangUp = sync.OnceFunc(func() {
		close(m.closed)
		m.qemu.Close()
		m.client.Close()
	})
	go m.relay()
	// go-qemu's Connect waits for ever; closing the connection under it is what ends it.
	defer context.AfterFunc(ctx, m.hangUp)()
	m.waiting.Store(true)
	if err := m.socket.Connect(); err != nil {
		m.close()
		if ctx.Err() != nil {
			err = fmt.Errorf("no greeting: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("connect QMP: %w", err)
	}
	<-m.answers
	m.Version = m.socket.Version.String()
	return m, nil
}

// Exec runs a QMP command with args (any value that is a JSON object, or nil) and returns what it returned. A command
// that is not answered before ctx ends breaks the connection, as its answer would be taken for the next one's.
func (m *monitor) Exec(ctx context.Context, command string, args any) (out json.RawMessage, err error) {
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("run QMP %s: %w", command, err)
		}
	}()
	line, err := json.Marshal(qmp.Command{Execute: command, Args: args})
	if err != nil {
		return nil, err
	}
	select {
	case <-m.turn:
		defer func() { m.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("another command runs: %w", context.Cause(ctx))
	}
	defer context.AfterFunc(ctx, m.hangUp)()
	out, err = m.run(append(line, '\n'))
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no answer: %w", context.Cause(ctx))
	}
	return out, err
}

// run passes one command to go-qemu and takes what it returned from answers.
func (m *monitor) run(line []byte) (json.RawMessage, error) {
	m.waiting.Store(true)
	_, err := m.socket.Run(line)
	select {
	case out := <-m.answers:
		return out, nil
	default:
	}
	select {
	case <-m.closed:
		return nil, errHungUp
	default:
		return nil, cmp.Or(err, errors.New("an error without a description"))
	}
}

// pass sends QEMU a file under a name that later commands can use ("fd:" and the name).
func (m *monitor) pass(ctx context.Context, name string, f *os.File) error {
	_, err := m.passTo(ctx, "getfd", map[string]string{"fdname": name}, f)
	return err
}

// passTo sends QEMU a file, and runs the command that takes it.
func (m *monitor) passTo(ctx context.Context, command string, args any, f *os.File) (json.RawMessage, error) {
	conn, ok := m.qemu.(*net.UnixConn)
	if !ok {
		return nil, errors.New("pass a file to QEMU: not over this connection")
	}
	// A file must come with a byte. A blank is no part of a command, and QEMU keeps the file until it is asked to take it.
	if _, _, err := conn.WriteMsgUnix([]byte(" "), unix.UnixRights(int(f.Fd())), nil); err != nil {
		return nil, fmt.Errorf("pass a file to QEMU: %w", err)
	}
	runtime.KeepAlive(f)
	return m.Exec(ctx, command, args)
}

// query runs a command without arguments and reads what it returned into answer.
func (m *monitor) query(ctx context.Context, command string, answer any) error {
	out, err := m.Exec(ctx, command, nil)
	if err == nil {
		err = json.Unmarshal(out, answer)
	}
	if err != nil {
		return fmt.Errorf("ask QEMU: %w", err)
	}
	return nil
}

// Human runs a line of the human monitor, e.g. "info registers", and returns what it printed.
func (m *monitor) Human(ctx context.Context, line string) (string, error) {
	out, err := m.Exec(ctx, "human-monitor-command", map[string]string{"command-line": line})
	if err != nil {
		return "", err
	}
	var text string
	if err := json.Unmarshal(out, &text); err != nil {
		return "", fmt.Errorf("read the human monitor's answer: %w", err)
	}
	return text, nil
}

// drain waits until everything was read that QEMU sent. It is dead, so that there is an end to it.
func (m *monitor) drain(limit time.Duration) {
	select {
	case <-m.ended:
	case <-time.After(limit):
	}
}

// close ends the connection and waits until the last event was observed.
func (m *monitor) close() {
	m.hangUp()
	<-m.ended
	m.socket.Disconnect()
}

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
