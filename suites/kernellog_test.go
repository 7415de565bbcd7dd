package suites

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeLog is a kernel log whose reads give these records, or the errnos among them.
func fakeLog(t *testing.T, answers ...any) *KernelLog {
	t.Helper()
	return &KernelLog{read: func(_ int, p []byte) (int, error) {
		if len(answers) == 0 {
			return 0, unix.EAGAIN
		}
		answer := answers[0]
		answers = answers[1:]
		if errno, ok := answer.(unix.Errno); ok {
			return 0, errno
		}
		return copy(p, answer.(string)), nil
	}}
}

func TestKernelLog(t *testing.T) {
	log := fakeLog(t, "6,1,0,-;fifo: one\\x0atwo\n", "12,2,0,-;BUG: forged by a process\n", unix.EINTR, "6,3,0,-;three\n", unix.EAGAIN,
		"4,4,0,-;WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n")
	lines, err := log.Lines()
	if want := []string{"fifo: one", "two", "three"}; err != nil || !reflect.DeepEqual(lines, want) {
		t.Errorf("got %q, %v", lines, err)
	}
	// A second look goes on where the first ended, and gives everything.
	if lines, err = log.Lines(); err != nil || len(lines) != 4 {
		t.Errorf("got %q, %v", lines, err)
	}
	matcher := HaveNoFault()
	if quiet, err := matcher.Match(log); err != nil || quiet {
		t.Errorf("no fault found: %v", err)
	}
	message := matcher.FailureMessage(log)
	first, _, _ := strings.Cut(message, "\n")
	if !strings.Contains(first, `"WARNING: CPU: 0`) || !strings.Contains(message, "\n  WARNING: CPU: 0") || strings.Contains(message, "three") {
		t.Errorf("message is %s", message)
	}
}

func TestKernelLogOverrun(t *testing.T) {
	log := fakeLog(t, unix.EPIPE, "6,9,0,-;after the loss\n")
	for range 2 { // and it is not forgotten
		lines, err := log.Lines()
		if !errors.Is(err, ErrLogOverrun) || len(lines) != 1 {
			t.Errorf("got %q, %v", lines, err)
		}
	}
	if _, err := HaveNoFault().Match(log); !errors.Is(err, ErrLogOverrun) {
		t.Errorf("a log with a hole is called clean: %v", err)
	}
	if _, err := fakeLog(t, unix.EIO).Lines(); !errors.Is(err, unix.EIO) {
		t.Errorf("got %v", err)
	}
}

func TestContainKernelLine(t *testing.T) {
	lines := []string{"fifo: capacity must be a power of two", "next"}
	for _, c := range []struct {
		pattern any
		want    bool
	}{{"power of two", true}, {"power of ten", false}, {regexp.MustCompile(`^fifo: .* two$`), true}, {regexp.MustCompile(`^two`), false}} {
		if got, err := ContainKernelLine(c.pattern).Match(lines); err != nil || got != c.want {
			t.Errorf("%v: got %v, %v", c.pattern, got, err)
		}
	}
	if _, err := ContainKernelLine(7).Match(lines); err == nil {
		t.Error("takes a number for a pattern")
	}
	if _, err := HaveNoFault().Match("a string"); err == nil {
		t.Error("takes a string for a log")
	}
}
