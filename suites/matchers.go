package suites

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

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
