package vmtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

type server struct {
	conn     io.ReadWriter
	greeting string
	muted    map[string]bool // commands that are never answered; "" for all of them and the greeting
	lacks    map[string]bool // commands that there are not
	flood    bool
	devices  map[string]bool // by id, that device_add brought
	plugged  chan struct{}   // one for each of them, as far as it has room

	migration string   // of the script: fails or hangs, with a text behind it; empty for a good one
	file      *os.File // that came with getfd
	status    string   // of the guest, as query-status has it
	migrated  string   // as query-migrate has it; empty before a migration

	hungUp atomic.Bool
	turn   sync.Mutex // held while the guest's processor stands

	mu     sync.Mutex // of writes to conn
	events int
}

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "fake"}, "capabilities": []}}`

// newServer is a monitor whose guest does not run yet.
func newServer(args []string) *server {
	s := &server{greeting: greeting, muted: map[string]bool{}, lacks: map[string]bool{}, devices: map[string]bool{}, plugged: make(chan struct{}, 64), status: "prelaunch"}
	if slices.Contains(args, "-incoming") {
		s.status = "inmigrate"
	}
	s.turn.Lock()
	return s
}

// serve greets, and answers commands one line at a time.
func (s *server) serve(g *Guest) {
	if s.muted[""] {
		fmt.Fprintln(g.Report, "muted greeting")
		select {}
	}
	s.send(s.greeting)
	if s.flood { // a few even before the handshake
		for range 3 {
			s.event("RTC_CHANGE", `{"offset": 0}`)
		}
	}
	inbox := &inbox{conn: s.conn}
	in := bufio.NewScanner(inbox)
	for in.Scan() {
		var command struct {
			Execute   string
			Arguments map[string]any
		}
		if err := json.Unmarshal(in.Bytes(), &command); err != nil {
			s.send(`{"error": {"class": "GenericError", "desc": "not JSON"}}`)
			continue
		}
		s.file = inbox.file
		if s.muted[command.Execute] {
			fmt.Fprintln(g.Report, "muted", command.Execute)
			continue
		}
		s.answer(g, command.Execute, command.Arguments)
	}
	if s.hungUp.Load() {
		select {} // the guest goes on without a monitor
	}
	os.Exit(1) // the test is gone
}

// answer runs a command, as far as the fake can.
func (s *server) answer(g *Guest, command string, args map[string]any) {
	if s.lacks[command] {
		command = "no such " + command
	}
	switch command {
	case "qmp_capabilities":
		s.send(`{"return": {}}`)
		if s.flood {
			go func() {
				for {
					s.event("RTC_CHANGE", `{"offset": 0}`)
				}
			}()
		}
	case "migrate-set-capabilities", "getfd":
		s.send(`{"return": {}}`)
	case "add-fd":
		s.addFile(g)
	case "device-list-properties":
		s.send(fmt.Sprintf(`{"return": [{"name": %q, "type": "str"}]}`, properties[fmt.Sprint(args["typename"])]))
	case "stop":
		s.stop()
		s.send(`{"return": {}}`)
	case "cont":
		s.send(`{"return": {}}`)
		s.cont()
	case "migrate", "migrate-incoming":
		s.send(`{"return": {}}`)
		s.migrate(g, command)
	case "query-migrate":
		s.send(s.migrationStatus())
	case "query-status":
		s.send(fmt.Sprintf(`{"return": {"status": %q, "singlestep": false, "running": %t}}`, s.status, s.status == "running"))
	case "human-monitor-command":
		line, _ := args["command-line"].(string)
		s.human(line)
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

// properties are the options by which a device of the host is named.
var properties = map[string]string{"usb-host": "hostdevice", "vfio-pci": "host"}

// addFile takes a file for a device, and notes its path where LogEnv says.
func (s *server) addFile(g *Guest) {
	if s.file == nil {
		s.send(`{"error": {"class": "GenericError", "desc": "No file descriptor supplied via SCM_RIGHTS"}}`)
		return
	}
	path, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.file.Fd()))
	note("add-fd " + path)
	s.send(`{"return": {"fdset-id": 7, "fd": 20}}`)
}

// note adds a line to the file that LogEnv names.
func note(line string) {
	f, err := os.OpenFile(os.Getenv(LogEnv), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return // nobody wants to know
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}

// human answers commands of the human monitor about devices and registers.
func (s *server) human(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	_, id, _ := strings.Cut(rest, "id=")
	id, _, _ = strings.Cut(id, ",")
	if strings.HasPrefix(verb, "device_") {
		note(line)
	}
	switch {
	case verb == "device_add" && s.devices[id]:
		s.send(fmt.Sprintf(`{"return": "Error: Duplicate device ID '%s'\r\n"}`, id))
	case verb == "device_add" && strings.HasPrefix(rest, "no-"):
		s.send(`{"return": "Error: 'no-such' is not a valid device model name\r\n"}`)
	case verb == "device_add":
		s.devices[id] = true
		s.send(`{"return": ""}`)
		select {
		case s.plugged <- struct{}{}:
		default:
		}
	case verb == "device_del" && !s.devices[rest]:
		s.send(fmt.Sprintf(`{"return": "Error: Device '%s' not found\r\n"}`, rest))
	case verb == "device_del":
		s.send(`{"return": ""}`)
		if !s.muted["DEVICE_DELETED"] {
			delete(s.devices, rest)
			s.event("DEVICE_DELETED", fmt.Sprintf(`{"device": %q, "path": "/machine/peripheral/%[1]s"}`, rest))
		}
	default:
		s.send(`{"return": "RIP=ffffffff81000000\r\n"}`)
	}
}

func (s *server) shutdown(reason string) {
	s.event("SHUTDOWN", fmt.Sprintf(`{"guest": %t, "reason": %q}`, reason != "host-qmp-quit" && reason != "host-signal", reason))
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

func (s *server) send(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		io.WriteString(s.conn, line+"\r\n")
	}
}

func (s *server) hangUp() {
	s.hungUp.Store(true)
	if conn, ok := s.conn.(io.Closer); ok {
		conn.Close()
	}
}

func (s *server) migrationStatus() string {
	switch s.migrated {
	case "":
		return `{"return": {}}`
	case "failed":
		return fmt.Sprintf(`{"return": {"status": "failed", "error-desc": %q}}`, s.migration)
	}
	return fmt.Sprintf(`{"return": {"status": %q}}`, s.migrated)
}
