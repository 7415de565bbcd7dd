package guest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites/procfs"
)

// kernelLog forwards what the kernel logs, in the form that a console shows it in: where there is no guest, there is no console.
type kernelLog struct {
	read func(p []byte) (int, error)
	send func(lines string)

	mu     sync.Mutex
	next   uint64 // number of the record that comes next; zero: any
	closed bool
}

const (
	// kmsgRecord is above the longest record, in bytes (CONSOLE_EXT_LOG_MAX, Linux kernel/printk).
	kmsgRecord = 16 << 10
	// logFrame is how much is sent at once, in bytes: with one record more, it fits into a frame.
	logFrame = 16 << 10
)

// openKernelLog begins at the end of what is logged so far.
func openKernelLog(send func(lines string)) (*kernelLog, int, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Seek(fd, 0, unix.SEEK_END)
	}
	if err != nil {
		return nil, -1, fmt.Errorf("read the kernel's log: %w", err)
	}
	return &kernelLog{read: func(p []byte) (int, error) { return unix.Read(fd, p) }, send: send}, fd, nil
}

// follow forwards what is logged, until the log is closed.
func (l *kernelLog) follow(fd int) {
	for l.drain() {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(pulse/time.Millisecond))
	}
}

// drain forwards what was logged up to now. It returns false once the log is closed.
func (l *kernelLog) drain() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	var lines strings.Builder
	for record := make([]byte, kmsgRecord); ; {
		n, err := l.read(record)
		switch err {
		case nil:
			lines.WriteString(l.format(string(record[:n])))
		case unix.EPIPE, unix.EINTR: // some were overwritten, which shows in the numbers
			continue
		}
		if lines.Len() > 0 && (err != nil || lines.Len() >= logFrame) {
			l.send(lines.String())
			lines.Reset()
		}
		if err != nil {
			return true
		}
	}
}

// close forwards what is left, and nothing after it.
func (l *kernelLog) close() {
	l.drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// format is a record as a console shows it that was booted with console_msg_format=syslog. What the log has lost is said in the
// kernel's own words (Linux kernel/printk/printk.c).
func (l *kernelLog) format(text string) string {
	r, err := procfs.ParseKmsg(text)
	if err != nil {
		return ""
	}
	var b strings.Builder
	if lost := int64(r.Seq - l.next); l.next > 0 && lost > 0 {
		fmt.Fprintf(&b, "** %d printk messages dropped **\n", lost)
	}
	l.next = r.Seq + 1
	head := fmt.Sprintf("<%d>[%5d.%06d]", r.Facility<<3|r.Level, r.Micros/1e6, r.Micros%1e6)
	if r.Caller != "" {
		head += fmt.Sprintf("[%6s]", r.Caller)
	}
	for line := range strings.SplitSeq(r.Text, "\n") {
		b.WriteString(head + " " + line + "\n")
	}
	return b.String()
}
