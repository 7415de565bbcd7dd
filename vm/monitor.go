package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"golang.org/x/sys/unix"
)

// execTimeout bounds a command whose context has no deadline. QEMU answers at once; what takes long, it does aside.
const execTimeout = 30 * time.Second

// maxCommand bounds a command: the relay reads each in one piece.
const maxCommand = 16 << 10

// errHungUp says that the monitor's connection is closed: QEMU ended, or a command was given up.
var errHungUp = errors.New("QEMU hung up")

// Monitor is QEMU's control connection (QMP). Its methods may be called from several goroutines; commands run one
// after the other. Events are taken in all the time, whether or not somebody waits.
type Monitor struct {
	Version string // of QEMU, as it greets us, e.g. "7.2.22"

	socket *qmp.SocketMonitor
	relay  *relay
	turn   chan struct{} // holds a token while no command runs
	closed chan struct{} // closed after the last event was observed
	inside sync.Mutex    // held while go-qemu runs a command
}

// newMonitor shakes hands over conn, which it owns from here on. observe is called for every event, in order, by one
// goroutine; it must not block. When ctx ends first, nothing is left open.
func newMonitor(ctx context.Context, conn net.Conn, observe func(qmp.Event)) (*Monitor, error) {
	relay, socket, err := dialRelay(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect QMP: %w", err)
	}
	m := &Monitor{socket: socket, relay: relay, turn: make(chan struct{}, 1), closed: make(chan struct{})}
	m.turn <- struct{}{}
	go relay.run()
	// go-qemu's Connect waits for ever; closing the connection under it is what ends it.
	stop := context.AfterFunc(ctx, relay.close)
	defer stop()
	if err := socket.Connect(); err != nil {
		relay.close()
		socket.Disconnect()
		relay.lib.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("no greeting: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("connect QMP: %w", err)
	}
	m.Version = socket.Version.String()
	m.drain(observe)
	relay.copied()
	return m, nil
}

// drain takes in events until the connection's end. go-qemu has one unbuffered channel for all of them, and stops
// altogether while nobody reads it. Disconnect throws away what was not read yet, so it comes last.
func (m *Monitor) drain(observe func(qmp.Event)) {
	events, _ := m.socket.Events(context.Background()) // never fails; the context is ignored
	go func() {
		defer close(m.closed)
		for e := range events {
			if e.Event != answered {
				observe(e)
				continue
			}
			select {
			case <-m.relay.taken:
			case <-m.relay.stop: // the command that was answered is over only when it is out of go-qemu
				m.inside.Lock()
				m.inside.Unlock()
			}
		}
		m.relay.close()
		m.socket.Disconnect()
		m.relay.lib.Close()
	}()
}

// Exec runs a QMP command with args (any value that is a JSON object, or nil) and returns what it returned. A command
// that is not answered before ctx ends breaks the connection, as its answer would be taken for the next one's.
func (m *Monitor) Exec(ctx context.Context, command string, args any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	line, err := json.Marshal(qmp.Command{Execute: command, Args: args})
	if err == nil && len(line) > maxCommand {
		err = fmt.Errorf("command of %d bytes: at most %d can be sent", len(line), maxCommand)
	}
	if err != nil {
		return nil, fmt.Errorf("run QMP %s: %w", command, err)
	}
	select {
	case <-m.turn:
		defer func() { m.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("run QMP %s: another command runs: %w", command, context.Cause(ctx))
	}
	stop := context.AfterFunc(ctx, m.relay.close)
	defer stop()
	out, err := m.run(append(line, '\n'))
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("run QMP %s: %w", command, err)
	}
	return out, nil
}

// run passes one command to go-qemu and takes the answer from the relay.
func (m *Monitor) run(line []byte) (json.RawMessage, error) {
	select {
	case <-m.relay.stop:
		return nil, errHungUp
	default:
	}
	m.inside.Lock()
	_, err := m.socket.Run(line)
	m.inside.Unlock()
	m.relay.copied()
	if err == nil {
		return <-m.relay.answers, nil
	}
	select {
	case <-m.relay.stop:
		return nil, errHungUp
	default:
		return nil, err
	}
}

// pass hands QEMU a file under a name by which later commands can speak of it ("fd:" and the name).
func (m *Monitor) pass(ctx context.Context, name string, f *os.File) error {
	conn, ok := m.relay.qemu.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("pass %s to QEMU: not over this connection", name)
	}
	// A file comes with a byte. A blank is no part of a command, and QEMU keeps what came with it until it is asked for.
	if _, _, err := conn.WriteMsgUnix([]byte(" "), unix.UnixRights(int(f.Fd())), nil); err != nil {
		return fmt.Errorf("pass %s to QEMU: %w", name, err)
	}
	runtime.KeepAlive(f)
	_, err := m.Exec(ctx, "getfd", map[string]string{"fdname": name})
	return err
}

// query runs a command without arguments and reads what it returned into answer.
func (m *Monitor) query(ctx context.Context, command string, answer any) error {
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
func (m *Monitor) Human(ctx context.Context, line string) (string, error) {
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

// lastWords waits until all was read that QEMU said. It is dead, so that there is an end to it.
func (m *Monitor) lastWords(limit time.Duration) {
	select {
	case <-m.relay.ended:
	case <-time.After(limit):
	}
}

// close ends the connection and waits until the last event was observed.
func (m *Monitor) close() {
	m.relay.close()
	<-m.closed
}
