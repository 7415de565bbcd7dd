package guest

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

func TestOutputKeepsBothEnds(t *testing.T) {
	for _, c := range []struct {
		size, chunk int
		whole       bool
	}{{0, 1, true}, {10, 3, true}, {keepHead, 4096, true}, {keepHead + keepTail, 1000, true}, {keepHead + keepTail + 1, 32768, false}, {1 << 20, 333, false}} {
		text := make([]byte, c.size)
		for i := range text {
			text[i] = 'a' + byte(i%26)
		}
		var got strings.Builder
		o := &output{send: func(s string) {
			if len(s) > 64<<10 {
				t.Errorf("%d bytes in one frame", len(s))
			}
			got.WriteString(s)
		}}
		for rest := text; len(rest) > 0; {
			n := min(c.chunk, len(rest))
			_, _ = o.Write(rest[:n])
			rest = rest[n:]
		}
		o.end()
		all := got.String()
		if c.whole != (all == string(text)) {
			t.Errorf("%d bytes: whole is %v", c.size, !c.whole)
		}
		if !c.whole && (all[:keepHead] != string(text[:keepHead]) || !strings.HasSuffix(all, string(text[c.size-keepTail:])) || !strings.Contains(all, "bytes left out")) {
			t.Errorf("%d bytes: the ends are not kept", c.size)
		}
	}
}

func TestReaper(t *testing.T) {
	f := newReaper()
	var pipes plumbing
	pipes.open("/dev/null")
	out := pipes.pipeOut(2)
	if pipes.err != nil {
		t.Fatal(pipes.err)
	}
	p, err := f.start("/bin/sh", []string{"sh", "-c", "echo heard; exit 7"}, &syscall.ProcAttr{Files: pipes.fds(), Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	pipes.closeChild()
	text, err := io.ReadAll(out)
	pipes.close()
	if err != nil || string(text) != "heard\n" {
		t.Errorf("%q %v", text, err)
	}
	if end := p.await(time.Minute, nil); end != (exit{code: 7}) {
		t.Errorf("%+v", end)
	}
	p, err = f.start("/bin/sh", []string{"sh", "-c", "kill -ABRT $$"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if end := p.await(time.Minute, nil); end.signal != "SIGABRT" || end.code != -1 {
		t.Errorf("%+v", end)
	}
	if _, err := f.start("/none", []string{"none"}, &syscall.ProcAttr{}); !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

// TestPump feeds frames as a suite does, and more than it may.
func TestPump(t *testing.T) {
	frames, suite := io.Pipe()
	pid1, acks := io.Pipe()
	var got []wire.Kind
	done := make(chan struct{})
	go func() {
		pump(frames, acks, func(f wire.Frame) string { got = append(got, f.Kind); return "" })
		close(done)
	}()
	w := wire.NewPipeWriter(suite, pid1)
	for _, k := range []wire.Kind{wire.KindSpecStart, wire.KindSpecEnd} {
		if err := w.Write(wire.Frame{Kind: k}); err != nil {
			t.Error(err)
		}
		if got[len(got)-1] != k {
			t.Errorf("answered before %s was passed on", k)
		}
	}
	suite.Close()
	<-done
}

// TestRelay checks what a suite process may send, and what it may not send.
func TestRelay(t *testing.T) {
	var line strings.Builder
	g := &guest{kmsg: -1, plan: wire.Plan{Nonce: "n"}, output: &output{send: func(string) {}}}
	g.frames = wire.NewWriter(&line, "n")
	round := "fifo"
	g.suite.Store(&round)
	relay := g.relay(streamed{}, []string{"x"})
	spec, other := &wire.Spec{Name: "x"}, &wire.Spec{Name: "other", State: "skipped"}
	for _, f := range []wire.Frame{
		{Kind: wire.KindExpect, Spec: spec, Text: "too early"},
		{Kind: wire.KindSpecStart, Spec: spec, Taint: 4, Nonce: "forged", Suite: "forged", Seq: 99}, {Kind: wire.KindExpect, Spec: other, Text: "WARNING", Count: -3},
		{Kind: wire.KindSpecEnd, Spec: spec}, {Kind: wire.KindSpecEnd}, {Kind: wire.KindExpect, Spec: spec, Text: "too late"},
		{Kind: wire.KindSpecEnd, Spec: other},
		{Kind: wire.KindSuiteError, Spec: spec}, {Kind: wire.KindEnd, Spec: spec}, {Kind: wire.KindTrouble, Spec: spec}, {Kind: wire.KindUnload, Spec: spec},
		{Kind: wire.KindStuck, Spec: spec, Text: "not mine to say"},
	} {
		relay(f)
	}
	r := wire.NewReader(strings.NewReader(line.String()))
	for i, kind := range []wire.Kind{wire.KindSpecStart, wire.KindExpect, wire.KindSpecEnd, wire.KindSuiteError} {
		f, err := r.Next()
		if err != nil || f.Kind != kind || f.Seq != uint64(i+1) || f.Nonce != "n" || f.Suite != "fifo" || f.Taint != 0 || f.Spec.Name != "x" {
			t.Errorf("%+v %v", f, err)
		}
		if kind == wire.KindExpect && (f.Count != 1 || f.Text != "WARNING") {
			t.Errorf("%+v", f)
		}
	}
	if f, err := r.Next(); err != io.EOF {
		t.Errorf("%+v got through", f)
	}
}
