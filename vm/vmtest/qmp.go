package vmtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
)

// server is the fake's monitor.
type server struct {
	conn  io.ReadWriter
	muted map[string]bool // commands that are never answered; "" for all of them and the greeting
	flood bool
	cont  chan struct{} // closed when the guest runs
	once  sync.Once

	mu     sync.Mutex // of writes to conn
	events int
}

// serve greets, and answers commands one line at a time.
func (s *server) serve(g *Guest) {
	if s.muted[""] {
		select {}
	}
	s.send(`{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "fake"}, "capabilities": []}}`)
	if s.flood { // a few even before the handshake
		for range 3 {
			s.event("RTC_CHANGE", `{"offset": 0}`)
		}
	}
	in := bufio.NewScanner(s.conn)
	for in.Scan() {
		var command struct {
			Execute   string
			Arguments map[string]any
		}
		if err := json.Unmarshal(in.Bytes(), &command); err != nil {
			s.send(`{"error": {"class": "GenericError", "desc": "not JSON"}}`)
			continue
		}
		if !s.muted[command.Execute] {
			s.answer(g, command.Execute)
		}
	}
	os.Exit(1) // nobody is left to play for
}

// answer does what the command asks, as far as there is something to do it to.
func (s *server) answer(g *Guest, command string) {
	switch command {
	case "qmp_capabilities":
		s.send(`{"return": {}}`)
		if s.flood {
			go s.eventsForEver()
		}
	case "stop", "system_powerdown":
		s.send(`{"return": {}}`)
	case "cont":
		s.send(`{"return": {}}`)
		s.event("RESUME", "")
		s.once.Do(func() { close(s.cont) })
	case "query-status":
		s.send(`{"return": {"status": "running", "singlestep": false, "running": true}}`)
	case "human-monitor-command":
		s.send(`{"return": "RIP=ffffffff81000000\r\n"}`)
	case "inject-nmi":
		fmt.Fprintln(g.Console, "[    9.000000] Uhhuh. NMI received for unknown reason 20 on CPU 0.")
		s.send(`{"return": {}}`)
	case "quit":
		s.send(`{"return": {}}`)
		g.End("host-qmp-quit")
	default:
		s.send(fmt.Sprintf(`{"error": {"class": "CommandNotFound", "desc": "The command %s has not been found"}}`, command))
	}
}

// shutdown is QEMU's last event.
func (s *server) shutdown(reason string) {
	s.event("SHUTDOWN", fmt.Sprintf(`{"guest": %t, "reason": %q}`, reason != "host-qmp-quit" && reason != "host-signal", reason))
}

func (s *server) eventsForEver() {
	for {
		s.event("RTC_CHANGE", `{"offset": 0}`)
	}
}

func (s *server) event(name, data string) {
	s.mu.Lock()
	s.events++
	stamp := s.events
	s.mu.Unlock()
	if data != "" {
		data = `, "data": ` + data
	}
	s.send(fmt.Sprintf(`{"timestamp": {"seconds": %d, "microseconds": 0}, "event": %q%s}`, stamp, name, data))
}

// send writes one line, ended as QEMU ends it.
func (s *server) send(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		io.WriteString(s.conn, line+"\r\n")
	}
}
