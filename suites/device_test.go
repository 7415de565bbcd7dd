package suites

import (
	"errors"
	"io/fs"
	"os"
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

func TestMakeNode(t *testing.T) {
	dir := t.TempDir()
	classes, node := filepath.Join(dir, "class"), filepath.Join(dir, "null")
	if err := makeNode(node, classes); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	device := filepath.Join(classes, "mem", strings.ReplaceAll(node, "/", "!"))
	if err := os.MkdirAll(device, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(device, "dev"), "1:3\n")
	err := makeNode(node, classes)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("may not make device nodes: " + err.Error())
	}
	var stat unix.Stat_t
	if err := errors.Join(err, unix.Stat(node, &stat)); err != nil || stat.Rdev != unix.Mkdev(1, 3) || stat.Mode&unix.S_IFMT != unix.S_IFCHR {
		t.Errorf("got %x %o, %v", stat.Rdev, stat.Mode, err)
	}
}

func TestParseDev(t *testing.T) {
	if got, err := parseDev("10:125\n"); err != nil || got != unix.Mkdev(10, 125) {
		t.Errorf("got %d, %v", got, err)
	}
	for _, text := range []string{"", "10", ":", "10:x", "-1:2", "99999999999:1"} {
		if got, err := parseDev(text); err == nil {
			t.Errorf("%q gives %d", text, got)
		}
	}
}
