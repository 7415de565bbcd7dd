package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm"
)

// socket is a guest that has one device. Its fields are read once the server waits or is closed.
type socket struct {
	did    []string
	in     bool
	sent   bytes.Buffer
	deaf   bool
	stuck  bool // a device that is unplugged is never released
	gaveUp error
}

func (s *socket) Plug(_ context.Context, name string) error {
	s.did = append(s.did, "plug "+name)
	switch {
	case name != "kbd":
		return errors.New("no device of that name is declared")
	case s.in:
		return errors.New("kbd is plugged in already")
	}
	s.in = true
	return nil
}

func (s *socket) Unplug(ctx context.Context, name string, patience time.Duration) error {
	s.did = append(s.did, fmt.Sprint("unplug ", name, " ", patience))
	if s.stuck {
		<-ctx.Done()
		s.gaveUp = ctx.Err()
		return ctx.Err()
	}
	s.in = false
	return nil
}

func (s *socket) Send(b []byte) error {
	if s.deaf {
		return errors.New("it does not listen")
	}
	s.sent.Write(b)
	return nil
}

// answers are what the guest was sent.
func (s *socket) answers(t *testing.T) string {
	t.Helper()
	var all []string
	r := wire.NewReader(bytes.NewReader(s.sent.Bytes()))
	for f, err := r.Next(); err == nil; f, err = r.Next() {
		all = append(all, fmt.Sprintf("%s %s %d %s", f.Nonce, f.Kind, f.Count, f.Text))
	}
	return strings.Join(all, "|")
}

func TestPlugServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &socket{}
		o := newPlugServer(t.Context(), s, "n")
		for i, kind := range []wire.Kind{wire.KindPlug, wire.KindHeartbeat, wire.KindPlug, wire.KindUnplug, wire.KindPlug} {
			o.ask(wire.Frame{Kind: kind, Text: "kbd", Count: i})
		}
		o.ask(wire.Frame{Kind: wire.KindPlug, Text: "loader,file=/etc/shadow", Count: 9})
		synctest.Wait()
		want := "n answer 0 |n answer 2 kbd is plugged in already|n answer 3 |n answer 4 |n answer 9 no device of that name is declared"
		if got := s.answers(t); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := strings.Join(s.did, "|"); got != "plug kbd|plug kbd|unplug kbd 30s|plug kbd|plug loader,file=/etc/shadow" {
			t.Errorf("did %s", got)
		}
		o.close()
	})
}

// A guest that asks faster than it is served is served as far as the queue goes, and close ends what is under way.
func TestPlugServerUnderAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &socket{stuck: true}
		o := newPlugServer(t.Context(), s, "n")
		o.ask(wire.Frame{Kind: wire.KindUnplug, Text: "kbd"})
		synctest.Wait()
		for i := range 100_000 {
			o.ask(wire.Frame{Kind: wire.KindUnplug, Text: "kbd", Count: i})
		}
		if n := len(o.asks); n != maxWaiting {
			t.Errorf("%d requests wait, want %d", n, maxWaiting)
		}
		o.close()
		if s.gaveUp == nil || len(s.did) > 2 { // close and a request that waits may come at once
			t.Errorf("did %d things, and the first was ended: %v", len(s.did), s.gaveUp)
		}
	})
}

func TestPlugServerServesSoMuchAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &socket{}
		o := newPlugServer(t.Context(), s, "n")
		for i := range maxAsks + 2 {
			o.ask(wire.Frame{Kind: wire.KindUnplug, Text: "kbd", Count: i})
			synctest.Wait()
		}
		o.close()
		if n := len(s.did); n != maxAsks {
			t.Errorf("did %d things, want %d", n, maxAsks)
		}
		if got := s.answers(t); !strings.HasSuffix(got, "|n answer 9999 |n answer 10000 devices came and went 10000 times, and that is enough"+
			"|n answer 10001 devices came and went 10000 times, and that is enough") {
			t.Errorf("the last answers are %s", got[max(0, len(got)-300):])
		}
	})
}

func TestPlugServerOfADeafGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &socket{deaf: true}
		o := newPlugServer(t.Context(), s, "n")
		for range 3 {
			o.ask(wire.Frame{Kind: wire.KindPlug, Text: "kbd"})
		}
		synctest.Wait()
		select {
		case <-o.done:
		default:
			t.Error("it goes on serving a guest that does not listen")
		}
		if len(s.did) != 1 {
			t.Errorf("did %q", s.did)
		}
		o.close()
	})
}

func TestPlugsOf(t *testing.T) {
	rows := []string{"kbd=usb-kbd", "card=edu,dma_mask=0xff"}
	if got := plugsOf(rows); len(got) != 2 || got[1] != (vm.Plug{Name: "card", Row: "edu,dma_mask=0xff"}) {
		t.Errorf("%+v", got)
	}
	if plugModules(rows) == nil || plugModules(rows[1:]) != nil {
		t.Error("only a USB device needs a USB controller")
	}
}

func TestPlugsLack(t *testing.T) {
	for name, c := range map[string]struct {
		config, row string
		lacks       bool
	}{
		"ACPI":         {"CONFIG_HOTPLUG_PCI_ACPI=y", "card=edu", false},
		"PCIe":         {"CONFIG_HOTPLUG_PCI_PCIE=y", "card=edu", false},
		"as a module":  {"CONFIG_HOTPLUG_PCI_ACPI=m", "card=edu", true},
		"neither":      {"# CONFIG_HOTPLUG_PCI is not set", "card=edu", true},
		"a USB device": {"# CONFIG_HOTPLUG_PCI is not set", "kbd=usb-kbd", false},
	} {
		file := filepath.Join(t.TempDir(), ".config")
		if err := os.WriteFile(file, []byte(c.config+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		lack, err := plugsLack(&kernels.Tree{DotFile: file}, []string{c.row})
		if err != nil || (lack != "") != c.lacks {
			t.Errorf("%s: %q, %v", name, lack, err)
		}
	}
}
