package wire

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenPipe is a PipeWriter over named pipes, as PID 1 makes them for whatever is started in a shell. One process has them at a time, until
// it ends: others wait for it.
func OpenPipe(frames, acks string) (*PipeWriter, error) {
	to, err := os.OpenFile(frames, os.O_WRONLY, 0)
	if err == nil {
		err = unix.Flock(int(to.Fd()), unix.LOCK_EX)
	}
	var from *os.File
	if err == nil {
		from, err = os.OpenFile(acks, os.O_RDONLY|unix.O_NONBLOCK, 0)
	}
	if err == nil {
		err = drain(int(from.Fd()))
	}
	if err != nil {
		return nil, fmt.Errorf("open the pipes to PID 1: %w", err)
	}
	return NewPipeWriter(to, from), nil
}

// drain reads what PID 1 answered to a process that did not wait for it, and leaves the pipe one whose reader waits.
func drain(fd int) error {
	for old := make([]byte, 1<<10); ; {
		_, err := unix.Read(fd, old)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return unix.SetNonblock(fd, false)
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		}
	}
}
