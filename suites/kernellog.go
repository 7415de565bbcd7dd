package suites

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/suites/procfs"
)

// ErrLogOverrun says that messages were overwritten before they were read: the log is incomplete.
var ErrLogOverrun = errors.New("kernel log: messages were overwritten before they were read")

// kmsgRecordMax is above the longest record, in bytes (CONSOLE_EXT_LOG_MAX, Linux kernel/printk).
const kmsgRecordMax = 16 << 10

// KernelLog is what the kernel, and no process, has logged since it was opened: nothing can forge a fault. Safe for concurrent use.
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

// shownLines bounds the lines of the log that a failure message shows.
const shownLines = 40

// HaveNoFault is a Gomega matcher: it fails when a *KernelLog has a fault since it was opened, such as an oops, a warning, or
// a report of lockdep or of a sanitizer.
//
//	AfterEach(func() { Expect(log).To(suites.HaveNoFault()) })
func HaveNoFault() *LogMatcher {
	return &LogMatcher{want: "to have no fault", find: isFault, none: true}
}

// ContainKernelLine is a Gomega matcher: it succeeds when a line of a *KernelLog contains a string or matches a
// *regexp.Regexp. Printk may be late; Eventually(log).Should(…) waits for it.
func ContainKernelLine(pattern any) *LogMatcher {
	m := &LogMatcher{want: fmt.Sprintf("to contain a line with %q", fmt.Sprint(pattern))}
	switch p := pattern.(type) {
	case string:
		m.find = func(line string) bool { return strings.Contains(line, p) }
	case *regexp.Regexp:
		m.find = p.MatchString
	default:
		m.err = fmt.Errorf("ContainKernelLine takes a string or a *regexp.Regexp, not %T", pattern)
	}
	return m
}

// LogMatcher is a Gomega matcher over a *KernelLog, or over lines given as []string.
type LogMatcher struct {
	want  string
	find  func(line string) bool
	none  bool // succeed where find finds no line
	err   error
	lines []string
	at    int // of the line that find has found; -1 for none
}

// Match implements Gomega's types.GomegaMatcher. A log with lost lines is an error.
func (m *LogMatcher) Match(actual any) (bool, error) {
	if m.err != nil {
		return false, m.err
	}
	switch log := actual.(type) {
	case *KernelLog:
		lines, err := log.Lines()
		if err != nil {
			return false, err
		}
		m.lines = lines
	case []string:
		m.lines = log
	default:
		return false, fmt.Errorf("want a *suites.KernelLog or []string, not %T", actual)
	}
	m.at = slices.IndexFunc(m.lines, m.find)
	return (m.at < 0) == m.none, nil
}

// FailureMessage implements Gomega's types.GomegaMatcher.
func (m *LogMatcher) FailureMessage(any) string { return m.message(m.want) }

// NegatedFailureMessage implements Gomega's types.GomegaMatcher.
func (m *LogMatcher) NegatedFailureMessage(any) string { return m.message("not " + m.want) }

func (m *LogMatcher) message(want string) string {
	shown := m.lines[max(0, len(m.lines)-shownLines):]
	if m.none && m.at >= 0 {
		want += fmt.Sprintf(", and it has %q", m.lines[m.at]) // in the first line, which is what a matrix shows
		shown = m.lines[m.at:min(len(m.lines), m.at+shownLines)]
	}
	return fmt.Sprintf("Expected the kernel log %s. %d of its %d lines since it was opened:\n  %s",
		want, len(shown), len(m.lines), strings.Join(shown, "\n  "))
}
