package results

import (
	"bufio"
	"fmt"
	"io"
	"slices"
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
	if line := firstBad(g); line != "" {
		fmt.Fprintf(out, "\n%s\n", line)
	}
	writeNotes(out, g, opt)
	return out.Flush()
}

// header says what was validated against how much, and on what.
func header(r *Results, g grid) string {
	parts := []string{strings.TrimSpace(plain(r.Module.Name) + " " + plain(r.Module.Version))}
	size := plural(len(g.rows), "kernel")
	if names := suiteNames(g); names != "" {
		size += " × " + names
	}
	parts = append(parts, size)
	if accel := plain(r.Run.Host.Accelerator); accel != "" {
		parts = append(parts, accel)
	}
	return strings.Join(parts, " · ")
}

func suiteNames(g grid) string {
	var names []string
	for _, s := range g.suites {
		if s != "" {
			names = append(names, plain(s))
		}
	}
	return strings.Join(names, ", ")
}

// totals counts targets by the worst that happened to them.
func totals(g grid, elapsed time.Duration) string {
	words := map[Status]string{Pass: "pass", Fail: "fail", Error: "broke", Miss: "did not run", Skip: "skipped"}
	count := map[Status]int{}
	for _, w := range g.rows {
		count[w.status()]++
	}
	var parts []string
	for _, s := range []Status{Pass, Fail, Error, Miss, Skip} {
		if n := count[s]; n > 0 || s == Pass {
			text := fmt.Sprintf("%d %s", n, words[s])
			if len(parts) == 0 {
				text = fmt.Sprintf("%s %s", plural(n, "kernel"), words[s])
			}
			parts = append(parts, text)
		}
	}
	line := strings.Join(parts, ", ")
	if elapsed > 0 {
		line += " · " + Seconds(elapsed)
	}
	return line
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// Seconds writes a duration as a person says it: 0.3 s, 38 s, 4 min 10 s.
func Seconds(d time.Duration) string {
	switch {
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

func drawTable(g grid, opt TextOptions) string {
	view := tableOf(g)
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
		if !opt.Color {
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
	var b strings.Builder
	for line := range strings.Lines(t.Render() + "\n") {
		b.WriteString(clip(strings.TrimRight(line, " \n"), opt.Width) + "\n")
	}
	return b.String()
}

// clip cuts a line to width columns, with an ellipsis; zero leaves it alone.
func clip(line string, width int) string {
	if width <= 0 {
		return line
	}
	return ansi.Truncate(line, width, "…")
}

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
			head = append(head, tableCell{text: plain(s)})
		}
	}
	lines := [][]tableCell{append(head, tableCell{})}
	last := ""
	for _, w := range g.rows {
		line := []tableCell{{text: plain(w.target.Label())}, buildCell(w)}
		if load {
			line = append(line, loadCell(w))
			for _, rec := range w.cells {
				line = append(line, suiteCell(rec))
			}
		}
		cause := w.cause()
		shown := tableCell{text: cause}
		if cause != "" && cause == last {
			shown.text = "same"
		}
		last = cause
		lines = append(lines, append(line, shown))
	}
	return lines
}
