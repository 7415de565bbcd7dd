package results

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/charmbracelet/x/ansi"
)

// TextOptions say how Text writes. The zero value is plain text of any width, as for a file.
type TextOptions struct {
	Color   bool
	Width   int               // columns of the terminal; zero: lines may be of any length
	Dir     string            // the folder of results.json as the reader would type it; paths are shown below it
	Again   []string          // the command that runs a cell again starts with these words; nil: "modmatrix", "run"
	Suites  map[string]string // what to give --suite for a suite of that name; a missing one goes by its name
	Elapsed time.Duration     // of the whole run; zero is not shown
}

// Text writes the matrix as a person reads it: a table, the totals, and for every fault one line of cause with the
// log that shows it and the command that runs the cell again. Nothing that came from a guest can do more than be read.
func Text(w io.Writer, r *Results, opt TextOptions) error {
	out := bufio.NewWriter(w)
	g := r.grid()
	fmt.Fprintf(out, "%s\n\n", clip(header(r, g), opt.Width))
	if len(g.rows) > 0 {
		fmt.Fprintf(out, "%s\n", drawTable(g, opt))
	}
	fmt.Fprintf(out, "%s\n", totals(g, opt.Elapsed))
	for _, f := range findings(g) {
		writeFinding(out, f, opt)
	}
	for i, line := range firstBad(g) {
		fmt.Fprintf(out, "%s%s\n", []string{"\n", ""}[min(i, 1)], line)
	}
	for i, n := range notes(g) {
		fmt.Fprintf(out, "%snote  %s\n", []string{"\n", ""}[min(i, 1)], n)
	}
	return out.Flush()
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

// colours are the basic ones, which every terminal shows in its own scheme.
var colours = map[Status]string{Pass: "2", Fail: "1", Error: "5", Miss: "3", Skip: "8"}

// causeRoom is the least width that a cause is worth being shown in; with less it gets a line of its own.
const causeRoom = 24

// causeMax is how much of a cause the table shows at most, in columns; all of it stands below.
const causeMax = 80

func drawTable(g grid, opt TextOptions) string {
	view := tableOf(g)
	lines := render(view, opt.Color)
	last := len(view[0]) - 1
	narrow := opt.Width > 0 && slices.ContainsFunc(lines, func(l string) bool { return ansi.StringWidth(l) > opt.Width })
	var causes []string
	if narrow && opt.Width-causeColumn(view) < causeRoom {
		for i, line := range view {
			causes = append(causes, line[last].text)
			view[i] = line[:last]
		}
		lines = render(view, opt.Color)
	}
	var b strings.Builder
	for i, line := range lines {
		b.WriteString(clip(line, opt.Width) + "\n")
		if causes != nil && causes[i] != "" && causes[i] != same {
			b.WriteString(clip("    "+causes[i], opt.Width) + "\n")
		}
	}
	return b.String()
}

// causeColumn is where the last column of view begins.
func causeColumn(view [][]tableCell) int {
	at := 2
	for col := range len(view[0]) - 1 {
		widest := 0
		for _, line := range view {
			widest = max(widest, ansi.StringWidth(line[col].text))
		}
		at += widest + 2
	}
	return at
}

// render aligns the columns of view and gives one line for each of its rows.
func render(view [][]tableCell, color bool) []string {
	t := table.New().Border(lipgloss.HiddenBorder()).Wrap(false).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).BorderRow(false)
	for _, line := range view {
		var texts []string
		for _, c := range line {
			texts = append(texts, c.text)
		}
		t.Row(texts...)
	}
	t.StyleFunc(func(row, col int) lipgloss.Style {
		style := lipgloss.NewStyle().PaddingRight(2)
		if col == 0 {
			style = style.PaddingLeft(2)
		}
		if !color || view[row][col].text == "" {
			return style
		}
		if row == 0 {
			return style.Bold(true)
		}
		if c, ok := colours[view[row][col].status]; ok {
			return style.Foreground(lipgloss.Color(c))
		}
		return style
	})
	lines := strings.Split(t.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// clip cuts a line to width columns, with an ellipsis; zero leaves it alone.
func clip(line string, width int) string {
	if width <= 0 {
		return line
	}
	return ansi.Truncate(line, width, "…")
}

// same stands for the cause of the row above.
const same = "same"

// tableCell is one field of the table; status gives its colour, and is empty where it has none.
type tableCell struct {
	text   string
	status Status
}

// tableOf lays the matrix out: kernel, build, load, one column for each suite, and the cause.
func tableOf(g grid) [][]tableCell {
	load := slices.ContainsFunc(g.rows, reachedGuest)
	head := []tableCell{{text: "KERNEL"}, {text: "BUILD"}}
	if load {
		head = append(head, tableCell{text: "LOAD"})
		for _, s := range g.suites {
			head = append(head, tableCell{text: Plain(s)})
		}
	}
	lines := [][]tableCell{append(head, tableCell{})}
	last := ""
	for _, w := range g.rows {
		line := []tableCell{{text: Plain(w.target.Label())}, buildCell(w)}
		if load {
			line = append(line, loadCell(w))
			for _, rec := range w.cells {
				line = append(line, suiteCell(rec))
			}
		}
		cause := w.cause()
		shown := tableCell{text: cause}
		if w.status() != Skip { // of a SKIP, nothing is said but here
			shown.text = clip(cause, causeMax)
		}
		if cause != "" && cause == last {
			shown.text = same
		}
		last = cause
		lines = append(lines, append(line, shown))
	}
	return lines
}
