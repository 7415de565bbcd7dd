package vm

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A writer that never returns costs its time limit, and Wait reports it.
func TestStuckWriter(t *testing.T) {
	ch, _, err := openChannels(false)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	p := startCopiers(&Machine{Console: blocked(release)}, ch)
	if _, err := ch.console.theirs.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	ch.closeTheirs()
	if err := p.wait(20 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not return") {
		t.Errorf("got %v", err)
	}
	close(release)
	if err := <-p.done; err != nil {
		t.Error(err)
	}
	ch.close()
}

// What a guest says while nobody reads has room, byte by byte: 278 would find some by themselves. The monitor has no more
// than that, since what it answers must not come long behind its events.
func TestChannelsHaveRoom(t *testing.T) {
	ch, _, err := openChannels(false)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.close()
	least := map[bool]int{true: 5000, false: 500}[os.Geteuid() == 0]
	if console, report := room(t, ch.console), room(t, ch.report); console < least || report < least {
		t.Errorf("room for %d and %d bytes, want %d", console, report, least)
	}
	if monitor := room(t, ch.monitor); monitor >= least {
		t.Errorf("the monitor has room for %d", monitor)
	}
}

// room is how many bytes QEMU can send one by one before it has to wait for us.
func room(t *testing.T, c channel) (n int) {
	t.Helper()
	conn, err := c.theirs.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	conn.Control(func(fd uintptr) {
		for unix.Send(int(fd), []byte{'x'}, unix.MSG_DONTWAIT) == nil {
			n++
		}
	})
	return n
}

type blocked chan struct{}

func (b blocked) Write(p []byte) (int, error) {
	<-b
	return len(p), nil
}

// After the guest nobody reads from the terminal any more, and the next reader can.
func TestTerminalIsGivenBack(t *testing.T) {
	ch, _, err := openChannels(true)
	if err != nil {
		t.Fatal(err)
	}
	person, terminal := net.Pipe()
	p := startCopiers(&Machine{Terminal: terminal}, ch)
	ch.closeTheirs()
	if err := p.wait(time.Minute); err != nil {
		t.Error(err)
	}
	go io.WriteString(person, "next")
	got := make([]byte, 4)
	if _, err := io.ReadFull(terminal, got); err != nil || string(got) != "next" {
		t.Errorf("got %q, %v", got, err)
	}
	ch.close()
}
