package guest

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/results/arch"
)

// The lines to the host beside the kernel's console: for frames, and for the interactive shell.
func portPath() string  { return "/dev/" + arch.Host().QEMU.Report.Name }
func shellPath() string { return "/dev/" + arch.Host().QEMU.Terminal.Name }

// port is the line to the host. It blocks, and no child inherits it: with several users or epoll, some drivers lose wake-ups.
type port struct {
	mu sync.Mutex
	fd int
}

// openPort opens a line, a serial port in raw mode: no echo, no line ends, no signals. One that is no terminal at all is as raw as can be.
func openPort(path string) (*port, error) {
	fd, err := appears(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK) // else open would wait for a carrier
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	raw := &unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200, Ispeed: 115200, Ospeed: 115200}
	raw.Cc[unix.VMIN] = 1
	err = unix.IoctlSetTermios(fd, unix.TCSETS, raw) // EIO: there is no such UART
	if err == nil || err == unix.ENOTTY {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up %s: %w", path, err)
	}
	return &port{fd: fd}, nil
}

// appears opens the file of a device, or the first that matches a pattern, for which it waits: drivers find their devices while this
// program starts.
func appears(pattern string, flags int) (fd int, err error) {
	for start := time.Now(); ; time.Sleep(pollTime) {
		path := pattern
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			path = found[0]
		}
		fd, err = unix.Open(path, flags, 0)
		if err != unix.ENOENT || time.Since(start) > deviceTime {
			return fd, err
		}
	}
}

// Write returns when b has left the guest, as far as the driver knows: what the kernel still buffers is lost in a panic.
func (p *port) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := 0
	for done < len(b) {
		n, err := unix.Write(p.fd, b[done:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	p.drain()
	return done, nil
}

// drain waits until the driver's buffer is empty. tcdrain(3) would sleep for whole ticks, for a real UART's shift register.
func (p *port) drain() {
	for start := time.Now(); time.Since(start) < 2*time.Second; {
		if n, err := unix.IoctlGetInt(p.fd, unix.TIOCOUTQ); err != nil || n == 0 {
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// Read waits until there is something to read.
func (p *port) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(p.fd, b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
