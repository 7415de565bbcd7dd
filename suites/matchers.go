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
	m := &LogMatcher{shown: aroundFault}
	m.match = func(lines []string) bool {
		m.want = "to have no fault"
		at := slices.IndexFunc(lines, isFault)
		if at >= 0 {
			m.want += fmt.Sprintf(", and it has %q", lines[at]) // in the first line, which is what a matrix shows
		}
		return at < 0
	}
	return m
}

// ContainKernelLine is a Gomega matcher: it succeeds when a line of a *KernelLog contains a string or matches a
// *regexp.Regexp. Printk may be late; Eventually(log).Should(…) waits for it.
func ContainKernelLine(pattern any) *LogMatcher {
	contains := func(string) bool { return false }
	m := &LogMatcher{want: fmt.Sprintf("to contain a line with %q", fmt.Sprint(pattern)), shown: lastLines}
	switch p := pattern.(type) {
	case string:
		contains = func(line string) bool { return strings.Contains(line, p) }
	case *regexp.Regexp:
		contains = p.MatchString
	default:
		m.err = fmt.Errorf("ContainKernelLine takes a string or a *regexp.Regexp, not %T", pattern)
	}
	m.match = func(lines []string) bool { return slices.ContainsFunc(lines, contains) }
	return m
}

// LogMatcher is a Gomega matcher over a *KernelLog, or over lines given as []string.
type LogMatcher struct {
	match func(lines []string) bool
	want  string
	shown func(lines []string) []string // the lines that a failure message shows
	err   error
	lines []string
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
	return m.match(m.lines), nil
}

// FailureMessage implements Gomega's types.GomegaMatcher.
func (m *LogMatcher) FailureMessage(any) string { return m.message(m.want) }

// NegatedFailureMessage implements Gomega's types.GomegaMatcher.
func (m *LogMatcher) NegatedFailureMessage(any) string { return m.message("not " + m.want) }

func (m *LogMatcher) message(want string) string {
	shown := m.shown(m.lines)
	var b strings.Builder
	fmt.Fprintf(&b, "Expected the kernel log %s. %d of its %d lines since it was opened:", want, len(shown), len(m.lines))
	for _, line := range shown {
		b.WriteString("\n  " + line)
	}
	return b.String()
}

// aroundFault are the lines from the first fault on.
func aroundFault(lines []string) []string {
	first := max(0, slices.IndexFunc(lines, isFault))
	return lines[first:min(len(lines), first+shownLines)]
}

func lastLines(lines []string) []string { return lines[max(0, len(lines)-shownLines):] }
