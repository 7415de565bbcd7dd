package results

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
)

// TextOptions say how Text writes. The zero value is plain text of any width, as for a file.
type TextOptions struct {
	Color   bool
	Width   int           // columns of the terminal; zero: lines may be of any length
	Dir     string        // the folder of results.json as the reader would type it; paths are shown below it
	Elapsed time.Duration // of the whole run; zero is not shown
}

// Text writes the matrix as a person reads it: a table, the totals, and for every fault one line of cause with the
// log that shows it and the command that runs the cell again. Nothing that came from a guest can do more than be read.
func Text(w io.Writer, r *Results, opt TextOptions) error {
	out := bufio.NewWriter(w)
	g := r.grid()
	fmt.Fprintf(out, "%s\n\n", clip(header(r, g), opt.Width))
	if len(g.rows) > 0 {
		out.WriteString(drawTable(g, opt))
	}
	fmt.Fprintf(out, "%s\n", totals(g, opt.Elapsed))
	if why := r.untested(); why != "" {
		fmt.Fprintf(out, "%s\n", loud(opt.wrapped(nothingTested+": "+Plain(why)), opt.Color))
	}
	for _, f := range findings(g) {
		writeFinding(out, f, r.Run.Asked, opt)
	}
	writeInTree(out, g, r.Run.Asked, opt)
	for i, t := range turns(g) {
		fmt.Fprintf(out, "%s%s\n", []string{"\n", ""}[min(i, 1)], t.line(r.Run.Asked))
	}
	for i, n := range notes(g) {
		fmt.Fprintf(out, "%snote  %s\n", []string{"\n", ""}[min(i, 1)], opt.wrapped(n))
	}
	return out.Flush()
}

// wrapped breaks a line that is to be read, not used, into what fits the terminal.
func (opt TextOptions) wrapped(line string) string {
	if opt.Width <= 0 {
		return line
	}
	return Wrapped(line, opt.Width-2, 2)
}

// line says where the module stopped to work, and how to find out more.
func (t turn) line(asked Asked) string {
	line := fmt.Sprintf("first bad  %s (last good %s)", Plain(t.bad.target.Version), Plain(t.good.target.Version))
	if t.kind != "" {
		line += " · " + t.kind
	}
	if command := t.bisect(asked); command != "" {
		line += ": " + command
	}
	return line
}

// loud makes a line stand out, where there are colours.
func loud(line string, color bool) string {
	if !color {
		return line
	}
	return lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Color(colours[Miss])).Render(line)
}

// header says what was validated against how much, and on what.
func header(r *Results, g grid) string {
	parts := []string{strings.TrimSpace(Plain(r.Module.Name) + " " + Plain(r.Module.Version))}
	size := plural(len(g.rows), "kernel")
	if names := suiteNames(g); names != "" {
		size += " × " + names
	}
	parts = append(parts, size)
	if accel := Plain(r.Run.Host.Accelerator); accel != "" {
		parts = append(parts, accel)
	}
	return strings.Join(parts, " · ")
}

func suiteNames(g grid) string {
	var names []string
	for _, s := range g.suites {
		if s != "" {
			names = append(names, Plain(s))
		}
	}
	return strings.Join(names, ", ")
}

// totals counts targets by the worst that happened to them.
func totals(g grid, elapsed time.Duration) string {
	words := map[Status][2]string{Pass: {"passes", "pass"}, Fail: {"fails", "fail"}, Error: {"broke", "broke"},
		Miss: {"did not run", "did not run"}, Skip: {"skipped", "skipped"}}
	count := map[Status]int{}
	for _, w := range g.rows {
		count[w.status()]++
	}
	var parts []string
	for _, s := range []Status{Pass, Fail, Error, Miss, Skip} {
		n := count[s]
		if n == 0 && s != Pass {
			continue
		}
		number := strconv.Itoa(n)
		if s == Pass {
			number = plural(n, "kernel")
		}
		parts = append(parts, number+" "+words[s][min(abs(n-1), 1)])
	}
	line := strings.Join(parts, ", ")
	if elapsed > 0 {
		line += " · " + Seconds(elapsed)
	}
	return line
}

func abs(n int) int { return max(n, -n) }

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

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
