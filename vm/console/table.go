package console

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// signature announces one sort of report. A line that holds the literal, matches the pattern and is not spared is its
// header. The first signature that fits a line names it, so the table goes from the special to the general.
type signature struct {
	literal  string // in every header; at least four bytes
	pattern  string // regular expression on the cleaned text; empty: the literal is enough
	kind     string
	severity Severity
	title    string // expanded with the pattern's groups; " in FUNCTION" follows; empty: the kind's name
	flags    flags

	re *regexp.Regexp
}

type flags uint

const (
	single  flags = 1 << iota // one line, without a report behind it
	tail                      // belongs to the report before it, when there is one
	mute                      // no fault, but a stack trace follows that must not be read as one
	generic                   // is replaced by any other header in the lines up to the stack trace
	user                      // the same words are used of a process; see userTrap
	whole                     // the title is complete, no function follows
	spread                    // other CPUs print parts of the report
	direct                    // the first trace is the one that counts, marked or not
	banner                    // only when the next line is lockdep's "RELEASE Not tainted"
	again                     // only when the kernel was up before; see lastWords
)

func (s *signature) is(f flags) bool { return s.flags&f != 0 }

// userTrap is how the kernel reports a trap that a process ran into (show_signal in Linux arch/x86/kernel/traps.c,
// arm_notify_die and arm64_show_signal elsewhere): no fault of the kernel.
var userTrap = regexp.MustCompile(`\bip:[0-9a-f]+ sp:|error:[0-9a-f]+ in |\btraps: \S+\[\d+\]|\bunhandled signal\b|\[\d+\]: .*, (ESR|in) `)

// spared are words with which a line is no header, whatever else it holds: the last line of a stall that is over, the
// end of an old KASAN report, the echo of what a process gave the kernel to read, and what follows every panic
// or reboot at the same level.
var spared = []string{
	"INFO: Stall ended before state dump", "kasan: bad access detected", "Unknown parameter '",
	"Kernel Offset: ", "Rebooting in ", "---[ end Kernel panic", "reboot: ",
	"Uhhuh. NMI received", "Dazed and confused",
}

func isSpared(text string) bool {
	return slices.ContainsFunc(spared, func(words string) bool { return strings.Contains(text, words) })
}

// signatures returns the whole table, special before general, compiled; not before there is a log to read.
var signatures = sync.OnceValue(func() []*signature {
	return compile(memoryTable, faultTable, lockTable, hangTable, driverTable, moduleTable, warnTable, bannerTable, muteTable, bootTable, genericTable)
})

var allLiterals = sync.OnceValue(func() *literals { return newLiterals(signatures()) })

func compile(tables ...[]signature) []*signature {
	var all []*signature
	for _, t := range tables {
		for i := range t {
			s := &t[i]
			if s.pattern != "" {
				s.re = regexp.MustCompile(s.pattern)
			}
			all = append(all, s)
		}
	}
	return all
}

// header is a line together with the signature that it fits.
type header struct {
	span
	*signature
	rank int // index into signatures: lower is more special
}

func classify(log []byte, sp span) (header, bool) {
	if sp.User || isSpared(sp.Text) {
		return header{}, false
	}
	for rank, s := range signatures() {
		if s.fits(log, sp) {
			return header{sp, s, rank}, true
		}
	}
	return header{}, false
}

func (s *signature) fits(log []byte, sp span) bool {
	switch {
	case s.kind == KindCrit:
		return sp.Level >= 0 && sp.Level <= 2 && sp.Text != ""
	case !strings.Contains(sp.Text, s.literal):
		return false
	case s.re != nil && !s.re.MatchString(sp.Text):
		return false
	case s.is(user) && userTrap.MatchString(sp.Text):
		return false
	case s.is(again):
		last := lastWords(log, sp.start)
		return last >= 0 && (!sp.Stamp || startRE.Match(log[sp.start:sp.end]) || clock(log[last:]) > clock(log[sp.start:sp.end]))
	case s.is(banner):
		return taintLine.MatchString(readLine(log, nextLine(log, sp.end)).Text)
	}
	return true
}

// maxFirmware is how far back a kernel's last words may lie when the next one starts: the firmware has its say in between.
const maxFirmware = 16 << 10

var (
	// startRE is a line of a kernel that starts: its clock stands still.
	startRE = regexp.MustCompile(`^(?:<\d+>)?\[ +0\.000000\]`)
	// unpackRE is a reboot that the kernel's decompressor has announced already.
	unpackRE = regexp.MustCompile(`\nBooting the kernel\b`)
)

// lastWords is where the last line before at begins that a running kernel printed, -1 when there is none. One that starts may print
// before its banner (Linux init/main.c, start_kernel; arch/arm64/kernel/setup.c, smp_setup_processor_id).
func lastWords(log []byte, at int) int {
	low := max(0, at-maxFirmware)
	start := lastStamp(log, low, at)
	for start >= 0 && startRE.Match(log[start:at]) {
		start = lastStamp(log, low, start)
	}
	if start >= 0 && unpackRE.Match(log[start:at]) {
		return -1
	}
	return start
}

// clock is the time in seconds at which the line at the start of b was printed, zero when it does not say. That of s390 runs
// before its kernel starts, but begins anew with each (Linux arch/s390/kernel/time.c, sched_clock).
func clock(b []byte) float64 {
	m := clockRE.FindSubmatch(b[:min(len(b), maxStamp)])
	if m == nil {
		return 0
	}
	seconds, _ := strconv.ParseFloat(string(m[1]), 64) // digits and a point
	return seconds
}

// maxStamp holds a level and a time stamp.
const maxStamp = 32

var clockRE = regexp.MustCompile(`^(?:<\d+>)?\[ *(\d+\.\d+)\]`)

// taintLine is the second line of a lockdep report: "6.1.0 #1 Not tainted".
var taintLine = regexp.MustCompile(`^\d+\.\d+\S* .*(Not tainted|Tainted: )`)
