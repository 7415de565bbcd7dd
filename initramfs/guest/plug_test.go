package guest

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/wire"
)

// hostOf is the host's end of a guest's port. It answers each request with what answer says, and with what a line may
// bring besides: noise, answers to nobody, and those of another run.
func hostOf(t *testing.T, answer func(wire.Frame) string) (g *guest, asked chan string) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	line := os.NewFile(uintptr(fds[1]), "line")
	t.Cleanup(func() { line.Close(); unix.Shutdown(fds[0], unix.SHUT_RDWR) })
	g = &guest{kmsg: -1, plan: wire.Plan{Nonce: "n"}, port: &port{fd: fds[0]}, output: &output{send: func(string) {}}}
	g.frames = wire.NewWriter(g.port, "n")
	asked = make(chan string, 100)
	ours, theirs := wire.NewWriter(line, "n"), wire.NewWriter(line, "another")
	go func() {
		for r := wire.NewReader(line); ; {
			f, err := r.Next()
			if err != nil {
				return
			}
			asked <- string(f.Kind) + " " + f.Text
			_, _ = line.WriteString("noise \xf5MMX")
			_ = theirs.Write(wire.Frame{Kind: wire.KindAnswer, Count: f.Count, Text: "of another run"})
			_ = ours.Write(wire.Frame{Kind: wire.KindHeartbeat, Count: f.Count, Text: "no answer"})
			_ = ours.Write(wire.Frame{Kind: wire.KindAnswer, Count: f.Count - 1, Text: "too late"})
			_ = ours.Write(wire.Frame{Kind: wire.KindAnswer, Count: f.Count, Text: answer(f)})
		}
	}()
	return g, asked
}

// TestPlug asks as a suite does, and pulls at the end what the suite has left in.
func TestPlug(t *testing.T) {
	g, asked := hostOf(t, func(f wire.Frame) string {
		if strings.HasPrefix(f.Text, "no-") {
			return "no device of that name"
		}
		return ""
	})
	relay := g.relay(streamed{}, nil)
	for _, step := range []struct {
		kind wire.Kind
		name string
		want string
	}{
		{wire.KindPlug, "kbd", ""}, {wire.KindPlug, "no-such", "no device of that name"}, {wire.KindPlug, "card", ""},
		{wire.KindUnplug, "kbd", ""}, {wire.KindUnplug, "no-such", "no device of that name"}, {wire.KindPlug, "mouse", ""},
	} {
		if got := relay(wire.Frame{Kind: step.kind, Text: step.name}); got != step.want {
			t.Errorf("%s %s: %q, want %q", step.kind, step.name, got, step.want)
		}
	}
	for len(asked) > 0 {
		<-asked
	}
	g.pullAll()
	if first, then := <-asked, <-asked; first != "unplug card" || then != "unplug mouse" || len(g.hotplug.names()) != 0 || len(asked) > 0 {
		t.Errorf("%s, %s, and left %q", first, then, g.hotplug.names())
	}
}
