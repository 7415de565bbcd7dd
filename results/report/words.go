package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/dustin/go-humanize"

	"github.com/modmatrix/modmatrix/results"
)

// Seconds writes a duration as a person says it: 12 ms, 0.3 s, 38 s, 4 min 10 s.
func Seconds(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

// clock writes a duration as a stopwatch does: 0:38, 12:05, 1:02:03.
func clock(d time.Duration) string {
	seconds := int(d.Seconds())
	if seconds < 3600 {
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// Bytes writes a size as a person says it: 34 MB.
func Bytes(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// Wrap breaks text at its blanks into lines of that width, all but the first behind indent blanks; a word that is longer
// stays whole. Where width is zero or less, it breaks nothing.
func Wrap(text string, width, indent int) string {
	if width <= 0 {
		return text
	}
	var out strings.Builder
	at := 0
	for word := range strings.SplitSeq(text, " ") {
		switch n := ansi.StringWidth(word); {
		case at == 0:
			at = n
		case at+1+n > width:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			word = results.Disarm(word) // it begins a line now
			at = n
		default:
			out.WriteString(" ")
			at += 1 + n
		}
		out.WriteString(word)
	}
	return out.String()
}

// grouped puts items of one key together, in the order of the first of each.
func grouped[T any, K comparable](items []T, key func(T) K) (groups [][]T) {
	at := map[K]int{}
	for _, item := range items {
		k := key(item)
		if _, ok := at[k]; !ok {
			at[k] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[k]] = append(groups[at[k]], item)
	}
	return groups
}
