package vmtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// state is what the fake saves of its devices, and what a clone must get.
const state = "state of a QEMU that boots nothing\n"

// stop holds the guest before its next statement.
func (s *server) stop() {
	if s.status == "running" {
		s.turn.Lock()
		s.event("STOP", "")
	}
	if s.status == "running" || s.status == "prelaunch" {
		s.status = "paused"
	}
}

// awaitTurn returns when the guest's processor runs.
func (s *server) awaitTurn() {
	s.turn.Lock()
	defer s.turn.Unlock()
}

// cont lets the guest run, unless it still waits for its state.
func (s *server) cont() {
	if s.status == "running" || s.status == "inmigrate" {
		return
	}
	s.status = "running"
	s.event("RESUME", "")
	s.turn.Unlock()
}

// migrate sends or reads the state, or fails as the script says.
func (s *server) migrate(g *Guest, command string) {
	s.migrated = "active"
	if s.file == nil || s.migration == "hangs" {
		fmt.Fprintln(g.Report, "muted migration")
		return
	}
	defer s.file.Close()
	reason, fails := strings.CutPrefix(s.migration, "fails ")
	if command == "migrate" {
		s.save(g, fails)
		return
	}
	text, _ := io.ReadAll(s.file)
	if !fails && string(text) != state {
		reason, fails = "Input/output error", true
	}
	if fails { // so does QEMU, 7.2 at least
		g.Die(1, filepath.Base(os.Args[0])+": load of migration failed: "+reason)
	}
	s.status, s.migrated = "paused", "completed"
}

// save sends the state, and writes something to the memory so that it has a checksum.
func (s *server) save(g *Guest, fails bool) {
	if fails {
		s.migrated = "failed"
		return
	}
	if ram, err := os.OpenFile(g.object("mem-path"), os.O_WRONLY, 0); err == nil {
		ram.WriteAt([]byte(strings.Join(g.Args, " ")), 1<<20)
		ram.Close()
	}
	io.WriteString(s.file, state)
	s.status, s.migrated = "postmigrate", "completed"
}

// inbox is a reader of a connection that keeps the file that comes along.
type inbox struct {
	conn io.Reader
	file *os.File
}

func (b *inbox) Read(p []byte) (int, error) {
	conn, ok := b.conn.(*net.UnixConn)
	if !ok {
		return b.conn.Read(p)
	}
	control := make([]byte, unix.CmsgSpace(4))
	n, size, _, _, err := conn.ReadMsgUnix(p, control)
	if err != nil {
		return n, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(control[:size])
	if err != nil || len(messages) == 0 {
		return n, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return n, fmt.Errorf("read a file that was passed: %w", err)
	}
	b.file = os.NewFile(uintptr(fds[0]), "passed")
	return n, nil
}

// Drive is the path of the file behind the drive, empty without one.
func (g *Guest) Drive() string { return option(g.Arg("-blockdev"), "filename") }

// Payload is what the guest was sent: the data of its drive, whose holes are left out, or of its image where it has none.
func (g *Guest) Payload() ([]byte, error) {
	path := g.Drive()
	if path == "" {
		path = g.Arg("-initrd")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []byte
	for end := int64(0); ; {
		begin, err := f.Seek(end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // no more
			return all, nil
		}
		if err == nil {
			end, err = f.Seek(begin, unix.SEEK_HOLE)
		}
		if err != nil {
			return nil, err
		}
		part := make([]byte, end-begin)
		if _, err := f.ReadAt(part, begin); err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
}

func (g *Guest) object(name string) string { return option(g.Arg("-object"), name) }

// option finds the value of name in a list of options, in which a comma in a value is doubled.
func option(list, name string) string {
	const comma = "\x00"
	for o := range strings.SplitSeq(strings.ReplaceAll(list, ",,", comma), ",") {
		if value, ok := strings.CutPrefix(o, name+"="); ok {
			return strings.ReplaceAll(value, comma, ",")
		}
	}
	return ""
}
