package guest

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The serial ports, by their use. The first one is the kernel's console.
const (
	portPath  = "/dev/ttyS1" // frames
	shellPath = "/dev/ttyS2" // a person
)

// port is the line to the host. There is one opener, it blocks, and no child ever gets it: with several, or with a
// poller on it, Linux loses wake-ups on some drivers.
type port struct {
	mu sync.Mutex
	fd int
}

// openPort opens a serial port for bytes as they are: no echo, no line ends, no signals.
func openPort(path string) (*port, error) {
	// Without O_NONBLOCK, open would wait for a carrier.
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	raw := &unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200, Ispeed: 115200, Ospeed: 115200}
	raw.Cc[unix.VMIN] = 1
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, raw); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up %s: %w", path, err) // EIO: there is no such UART
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up %s: %w", path, err)
	}
	return &port{fd: fd}, nil
}

// Write returns when b has left the guest, as far as the driver can tell: what the kernel holds back is lost if the
// next thing that happens is a panic.
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

// drain waits until the driver's buffer is empty. tcdrain(3) would sleep for whole ticks to let a real UART's shift
// register run dry; an emulated one has none.
func (p *port) drain() {
	for start := time.Now(); time.Since(start) < 2*time.Second; {
		if n, err := unix.IoctlGetInt(p.fd, unix.TIOCOUTQ); err != nil || n == 0 {
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}
