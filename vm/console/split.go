package console

import (
	"bytes"
	"iter"
)

// span is one line of the log as the kernel meant it. A console shows one record after another, but other writers cut
// in, and line ends get lost: a time stamp in the middle of a physical line begins a line of its own.
type span struct {
	start, end int // offsets into the log, without the line end
	Line
}

// lineAt returns the line that holds offset at, and false when it begins too far back to be the kernel's.
func lineAt(log []byte, at int) (span, bool) {
	low := max(0, at-maxLine)
	start := low
	if i := bytes.LastIndexByte(log[low:at], '\n'); i >= 0 {
		start = low + i + 1
	} else if low > 0 {
		start = -1
	}
	if i := lastStamp(log, max(start, low), at); i >= 0 {
		start = i
	}
	if start < 0 {
		return span{}, false
	}
	return readLine(log, start), true
}

func readLine(log []byte, start int) span {
	end := lineEnd(log, start)
	return span{start: start, end: end, Line: Clean(bytes.TrimRight(log[start:end], "\r"))}
}

func lines(log []byte, pos int) iter.Seq[span] {
	return func(yield func(span) bool) {
		for pos < len(log) {
			sp := readLine(log, pos)
			pos = max(nextLine(log, sp.end), sp.start+1)
			if !yield(sp) {
				return
			}
		}
	}
}

// nextLine returns the offset at which the line after the one that ends at end begins.
func nextLine(log []byte, end int) int {
	if end < len(log) && log[end] == '\n' {
		return end + 1
	}
	return end
}

// lineEnd finds the end of the line that begins at start: a line end, a time stamp further on, or maxLine.
func lineEnd(log []byte, start int) int {
	end := min(len(log), start+maxLine)
	if i := bytes.IndexByte(log[start:end], '\n'); i >= 0 {
		end = start + i
	}
	from := start + prefixLen(log[start:end])
	if i := firstStamp(log, from, end); i >= 0 {
		return i
	}
	return end
}

// prefixLen is the length of the printk prefix at the start of a line: what a stamp in there begins is this line.
func prefixLen(b []byte) int {
	n, _, _ := levelPrefix(b)
	return max(n+stampLen(b[n:]), 1)
}

// firstStamp finds the first line start by time stamp in log[from:to], -1 when there is none.
func firstStamp(log []byte, from, to int) int {
	for from < to {
		i := bytes.IndexByte(log[from:to], '[')
		if i < 0 {
			return -1
		}
		if stampLen(log[from+i:]) > 0 {
			return withLevel(log, from, from+i)
		}
		from += i + 1
	}
	return -1
}

// lastStamp finds the last line start by time stamp in log[from:to], -1 when there is none.
func lastStamp(log []byte, from, to int) int {
	for low := from; to > low; {
		i := bytes.LastIndexByte(log[low:to], '[')
		if i < 0 {
			return -1
		}
		if stampLen(log[low+i:]) > 0 {
			return withLevel(log, low, low+i)
		}
		to = low + i
	}
	return -1
}

// withLevel moves a line start from its time stamp back to the level "<6>" before it, not further than low.
func withLevel(log []byte, low, stamp int) int {
	for back := 3; back <= 5; back++ {
		if i := stamp - back; i >= low {
			if n, _, _ := levelPrefix(log[i:stamp]); n == back {
				return i
			}
		}
	}
	return stamp
}
