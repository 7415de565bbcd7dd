package suites

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDevice(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	reader, writer := &Device{fds[0], "reader"}, &Device{fds[1], "writer"}
	defer reader.Close()
	if _, err := reader.Read(make([]byte, 1)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("reading nothing gives %v", err)
	}
	if events, err := reader.Poll(unix.POLLIN, time.Millisecond); events != 0 || err != nil {
		t.Errorf("polling nothing gives %v, %v", events, err)
	}
	if n, err := writer.Write([]byte("abc")); n != 3 || err != nil {
		t.Errorf("writing gives %d, %v", n, err)
	}
	if events, err := reader.Poll(unix.POLLIN, time.Hour); events != unix.POLLIN || err != nil {
		t.Errorf("polling gives %v, %v", events, err)
	}
	buffer := make([]byte, 2)
	if n, err := reader.Read(buffer); n != 2 || err != nil || string(buffer) != "ab" {
		t.Errorf("reading gives %q, %v", buffer[:n], err)
	}
	for range 2 {
		if err := writer.Close(); err != nil || writer.Fd() != -1 {
			t.Errorf("closing gives %v and leaves %d", err, writer.Fd())
		}
	}
	if _, err := OpenDevice("/dev/there-is-no-such-device", unix.O_RDONLY); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening nothing gives %v", err)
	}
}

func TestWaitForDevice(t *testing.T) {
	if err := WaitForDevice("/dev/null", time.Hour); err != nil {
		t.Error(err)
	}
	err := WaitForDevice("/dev/there-is-no-such-device", time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "no /dev/there-is-no-such-device after 1ms") {
		t.Errorf("got %v", err)
	}
	plain := filepath.Join(t.TempDir(), "file")
	writeFile(t, plain, "")
	if err := WaitForDevice(plain, time.Hour); err == nil || !strings.Contains(err.Error(), "no device node") {
		t.Errorf("got %v", err)
	}
}
