package vm

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A writer that never returns costs its time limit, and Wait tells of it.
func TestPumpsStuckWriter(t *testing.T) {
	ch, _, err := openChannels(false)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	p := startPumps(&Machine{Console: blocked(release)}, ch)
	if _, err := ch.console.theirs.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	ch.handedOver()
	if err := p.wait(20 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not return") {
		t.Errorf("got %v", err)
	}
	close(release)
	p.wg.Wait()
	ch.close()
}

type blocked chan struct{}

func (b blocked) Write(p []byte) (int, error) {
	<-b
	return len(p), nil
}

// The terminal is given back as it was: nobody reads from it any more, and the next one can.
func TestPumpsGiveTerminalBack(t *testing.T) {
	ch, _, err := openChannels(true)
	if err != nil {
		t.Fatal(err)
	}
	person, terminal := net.Pipe()
	p := startPumps(&Machine{Terminal: terminal}, ch)
	ch.handedOver()
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
