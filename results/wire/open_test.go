package wire

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenPipe holds that an answer to a process that has gone is not taken for that to another.
func TestOpenPipe(t *testing.T) {
	paths := []string{filepath.Join(t.TempDir(), "frames"), filepath.Join(t.TempDir(), "acks")}
	var ours []*os.File
	for _, path := range paths {
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ours = append(ours, f)
	}
	if _, err := ours[1].Write(Ack("too late")); err != nil {
		t.Fatal(err)
	}
	pipe, err := OpenPipe(paths[0], paths[1])
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		f, err := NewReader(ours[0]).Next()
		if err != nil {
			t.Error(err)
		}
		ours[1].Write(Ack("no " + f.Text))
	}()
	if err := pipe.Write(Frame{Kind: KindPlug, Text: "kbd"}); err == nil || err.Error() != "no kbd" {
		t.Errorf("the answer is %v", err)
	}
	if _, err := OpenPipe(paths[0]+"x", paths[1]); err == nil {
		t.Error("it opened what is not there")
	}
}
