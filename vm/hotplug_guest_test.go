package vm_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/vm"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

func init() {
	vmtest.Register("read", func(g *vmtest.Guest, _ ...string) { // one line, which it prints
		line, _ := bufio.NewReader(g.Report.(io.Reader)).ReadString('\n')
		fmt.Fprint(g.Console, "got "+line)
	})
}

func TestPlugging(t *testing.T) {
	m, _, _ := fake(t, "")
	m.Plugs = []vm.Plug{{Name: "kbd", Row: "usb-kbd"}, {Name: "bad", Row: "no-such"}, {Name: "card", Row: "edu"}}
	p := start(t, t.Context(), m)
	for _, step := range []struct{ do, name, want string }{
		{"unplug", "kbd", "kbd is not plugged in"},
		{"plug", "kbd", ""},
		{"plug", "kbd", "kbd is plugged in already"},
		{"plug", "card", ""},
		{"unplug", "kbd", ""},
		{"unplug", "kbd", "kbd is not plugged in"},
		{"plug", "kbd", ""},
		{"plug", "bad", "plug in bad: 'no-such' is not a valid device model name"},
		{"unplug", "bad", "bad is not plugged in"},
		{"plug", "usb-host", `no device named "usb-host" is declared`},
		{"unplug", "plug-kbd", `no device named "plug-kbd" is declared`},
		{"plug", "x\nquit", `no device named "x\nquit" is declared`},
		{"plug", strings.Repeat("x", 100), `no device named "` + strings.Repeat("x", 40) + `" is declared`},
	} {
		do := p.Plug
		if step.do == "unplug" {
			do = func(ctx context.Context, name string) error { return p.Unplug(ctx, name, time.Minute) }
		}
		err := do(t.Context(), step.name)
		if step.want == "" && err != nil || step.want != "" && (err == nil || err.Error() != step.want) {
			t.Errorf("%s %s: %v, want %q", step.do, step.name, err, step.want)
		}
	}
}

// A guest may keep a device that is unplugged, or end meanwhile: Unplug returns all the same.
func TestUnplugFromAGuestThatDoesNotRelease(t *testing.T) {
	m, _, _ := fake(t, "mute DEVICE_DELETED")
	m.Plugs = []vm.Plug{{Name: "card", Row: "edu"}}
	p := start(t, t.Context(), m)
	if err := p.Plug(t.Context(), "card"); err != nil {
		t.Fatal(err)
	}
	if err := p.Unplug(t.Context(), "card", 10*time.Millisecond); err == nil || err.Error() != "unplug card: the guest has not released it after 10ms" {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(50*time.Millisecond, p.Kill)
	if err := p.Unplug(t.Context(), "card", time.Hour); err == nil {
		t.Error("a dead guest released it")
	}
	p.Wait()
	if err := p.Plug(t.Context(), "card"); err == nil {
		t.Error("a dead guest has it")
	}
}

func TestSend(t *testing.T) {
	m, console, _ := fake(t, "call read\npoweroff")
	p := start(t, t.Context(), m)
	if err := p.Send([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, console, "got hello\n")
	p.Wait()
	if err := p.Send([]byte("hello\n")); err == nil {
		t.Error("a dead guest reads")
	}
}
