package suites

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites/procfs"
)

// ErrLogOverrun says that messages were overwritten before they were read: the log is incomplete.
var ErrLogOverrun = errors.New("kernel log: messages were overwritten before they were read")

// kmsgRecordMax is above the longest record, in bytes (CONSOLE_EXT_LOG_MAX, Linux kernel/printk).
const kmsgRecordMax = 16 << 10

// KernelLog is what the kernel has logged since it was opened. What processes write to /dev/kmsg is left out, so nothing can
// forge a fault. Safe for concurrent use.
type KernelLog struct {
	mu      sync.Mutex
	fd      int
	read    func(fd int, p []byte) (int, error)
	records []procfs.KmsgRecord
	overrun error // ErrLogOverrun once messages are missing
}

// OpenKernelLog opens the kernel's log at its end. Open it in a BeforeEach and close it with DeferCleanup(log.Close).
func OpenKernelLog() (*KernelLog, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open kernel log: %w", err)
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		return nil, errors.Join(fmt.Errorf("open kernel log at its end: %w", err), unix.Close(fd))
	}
	return &KernelLog{fd: fd, read: unix.Read}, nil
}

// Records are the kernel's messages since the log was opened, oldest first. The error is ErrLogOverrun when some are
// missing; those that were read are returned nevertheless.
func (l *KernelLog) Records() ([]procfs.KmsgRecord, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	buffer := make([]byte, kmsgRecordMax)
	for {
		n, err := l.read(l.fd, buffer)
		switch err {
		case nil:
		case unix.EAGAIN: // no more for now
			return l.records, l.overrun
		case unix.EPIPE: // overwritten; the next read returns the oldest that is left
			l.overrun = ErrLogOverrun
			continue
		case unix.EINTR:
			continue
		default:
			return l.records, fmt.Errorf("read kernel log: %w", err)
		}
		record, err := procfs.ParseKmsg(string(buffer[:n]))
		if err != nil {
			return l.records, err
		}
		if record.Facility == 0 {
			l.records = append(l.records, record)
		}
	}
}

// Lines are the lines of Records' messages, without time and level. The errors are those of Records.
func (l *KernelLog) Lines() ([]string, error) {
	records, err := l.Records()
	var lines []string
	for _, record := range records {
		lines = append(lines, strings.Split(record.Text, "\n")...)
	}
	return lines, err
}

// Close closes the log.
func (l *KernelLog) Close() error { return unix.Close(l.fd) }

// String is short: in a failure, the matchers show the lines.
func (l *KernelLog) String() string { return "kernel log" }
