package suites

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const pollInterval = 10 * time.Millisecond

// Device is an open device node: each Read is one read(2), each Write one write(2), and the driver's result is returned as
// it is.
//
// An os.File differs: where the driver has a poll function, os.Open puts the file into non-blocking mode and Go waits in
// epoll. A driver's blocking read would never be tried, and EAGAIN never seen.
type Device struct {
	fd   int
	path string
}

// OpenDevice opens a device node with the flags of open(2), as unix.O_RDWR|unix.O_NONBLOCK.
func OpenDevice(path string, flags int) (*Device, error) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	d := &Device{fd, path}
	if err != nil {
		return nil, d.wrap("open", err)
	}
	return d, nil
}

// wrap adds what was done to the driver's errno; nil stays nil.
func (d *Device) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.path, Err: err}
}

// Fd is the file descriptor, for ioctl and mmap. It is -1 once the device is closed.
func (d *Device) Fd() int { return d.fd }

// Read is one read(2). At the end of a file it returns io.EOF. The error wraps the driver's unix.Errno.
func (d *Device) Read(p []byte) (int, error) {
	n, err := unix.Read(d.fd, p)
	if err == nil && n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return max(n, 0), d.wrap("read", err)
}

// Write is one write(2): a short write is no error, unlike io.Writer requires. The error wraps the driver's unix.Errno.
func (d *Device) Write(p []byte) (int, error) {
	n, err := unix.Write(d.fd, p)
	return max(n, 0), d.wrap("write", err)
}

// Poll is one poll(2): it waits for one of the events, as unix.POLLIN|unix.POLLOUT, and returns those that are set. After
// timeout it returns 0 and no error.
func (d *Device) Poll(events int16, timeout time.Duration) (int16, error) {
	deadline := time.Now().Add(timeout)
	for {
		fds := []unix.PollFd{{Fd: int32(d.fd), Events: events}}
		_, err := unix.Poll(fds, int(max(0, time.Until(deadline).Milliseconds())))
		if err == unix.EINTR { // the Go runtime signals its threads, and poll is not restarted after a signal
			continue
		}
		return fds[0].Revents, d.wrap("poll", err)
	}
}

// Close closes the device. A second call does nothing.
func (d *Device) Close() error {
	if d.fd < 0 {
		return nil
	}
	err := unix.Close(d.fd)
	d.fd = -1
	return d.wrap("close", err)
}

// WaitForDevice waits until path, as "/dev/fifo", is a device node: devtmpfs creates it for a driver's device.
func WaitForDevice(path string, timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); ; time.Sleep(pollInterval) {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.Mode()&fs.ModeDevice != 0:
			return nil
		case err == nil:
			return fmt.Errorf("wait for device: %s exists and is no device node", path)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("wait for device: %w", err)
		case time.Now().After(deadline):
			return fmt.Errorf("wait for device: no %s after %v", path, timeout)
		}
	}
}
