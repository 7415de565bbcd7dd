package wire

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPipeWriterWaits(t *testing.T) {
	frames, suite := io.Pipe()
	acks, pid1 := io.Pipe()
	p := NewPipeWriter(suite, acks)
	done := make(chan error)
	go func() { done <- p.Write(Frame{Kind: KindSpecStart, Spec: &Spec{Name: "x"}}) }()
	f, err := NewReader(frames).Next()
	if err != nil || f.Spec.Name != "x" {
		t.Fatalf("%+v %v", f, err)
	}
	select {
	case err := <-done:
		t.Fatalf("returned before it was acknowledged: %v", err)
	default:
	}
	if _, err := pid1.Write(Ack("")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, refused := range []string{"no device\x06 named \"kbd\"", strings.Repeat("x", 2*maxName)} {
		go func() { done <- p.Write(Frame{Kind: KindPlug, Text: "kbd"}) }()
		_, _ = NewReader(frames).Next()
		_, _ = pid1.Write(Ack(refused))
		if err := <-done; err == nil || err.Error() != line(refused) {
			t.Fatalf("refused for %q: %v", refused, err)
		}
	}
	go func() { done <- p.Write(Frame{Kind: KindSpecEnd}) }()
	_, _ = NewReader(frames).Next()
	_ = pid1.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Fatalf("without PID 1: %v", err)
	}
}
