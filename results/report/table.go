package report

import (
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// colours are the basic ones, which every terminal shows in its own scheme.
var colours = map[results.Status]string{results.Pass: "2", results.Fail: "1", results.Error: "5", results.Miss: "3", results.Skip: "8"}

// causeRoom is the least width that a cause is worth being shown in; with less it gets a line of its own.
const causeRoom = 24

// causeMax is how much of a cause the table shows at most, in columns; all of it stands below.
const causeMax = 80

// same stands for the cause of the row above.
const same = "same"

// ownColumns are KERNEL, BUILD and LOAD, which head the table; suites come after them.
const ownColumns = 3

// tableCell is one field of the table; status gives its colour, and is empty where it has none.
type tableCell struct {
	text   string
	more   string // what is left out where there is no room for it
	status results.Status
}

func (c tableCell) full() string {
	if c.more == "" {
		return c.text
	}
	return c.text + "  " + c.more
}

// tableOf lays the matrix out: kernel, build, load, one column for each suite, and the cause.
func tableOf(m results.Matrix) [][]tableCell {
	inTree := comparesInTree(m)
	load := inTree || slices.ContainsFunc(m.Rows, reachedGuest)
	head := []tableCell{{text: "KERNEL"}, {text: "BUILD"}}
	if load {
		head = append(head, tableCell{text: "LOAD"})
		for _, s := range m.Suites {
			head = append(head, tableCell{text: results.Plain(s)})
		}
		if inTree {
			for _, s := range m.Suites {
				head = append(head, tableCell{text: "in-tree " + results.Plain(s)})
			}
		}
	}
	lines := [][]tableCell{append(head, tableCell{})}
	last := ""
	for _, w := range m.Rows {
		line := []tableCell{{text: results.Plain(w.Target.Label())}, buildCell(w)}
		if load {
			line = append(line, loadCell(w))
			for _, rec := range w.Cells {
				line = append(line, suiteCell(rec))
			}
			if inTree {
				for _, rec := range w.Cells {
					line = append(line, inTreeCell(rec))
				}
			}
		}
		cause := cause(w)
		shown := tableCell{text: cause}
		if w.Status() != results.Skip { // of a SKIP, nothing is said but here
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

// drawTable writes the table in opt.Width columns. Where they are too few, causes get lines of their own, then the columns
// say less, and in the end some stand below the others: no verdict is ever cut off.
func drawTable(m results.Matrix, opt Options) string {
	view := tableOf(m)
	last := len(view[0]) - 1
	parts, causes := [][][]tableCell{view}, make([]string, len(view))
	w := widths(view)
	if opt.Width > 0 && needs(w) > opt.Width && opt.Width-needs(w[:last])-gap < causeRoom {
		for i, line := range view {
			causes[i] = line[last].text
			view[i] = line[:last]
		}
		if needs(w[:last]) > opt.Width {
			shorten(view)
		}
		parts = fitting(view, opt.Width)
	}
	var b strings.Builder
	for _, part := range parts {
		for i, line := range render(part, opt.Color) {
			b.WriteString(clip(line, opt.Width) + "\n")
			if causes[i] != "" && causes[i] != same {
				b.WriteString(clip("    "+causes[i], opt.Width) + "\n")
			}
		}
		clear(causes)
		b.WriteString("\n")
	}
	return b.String()
}

const (
	indent = 2 // before every line of the table
	gap    = 2 // behind every column
)

// widths are those of all columns of view, with the gap behind them; an empty column has none.
func widths(view [][]tableCell) []int {
	all := make([]int, len(view[0]))
	for _, line := range view {
		for col, c := range line {
			if n := ansi.StringWidth(c.full()); n > 0 {
				all[col] = max(all[col], n+gap)
			}
		}
	}
	return all
}

// needs is how wide a table with these columns is.
func needs(widths []int) int {
	sum := indent - gap
	for _, w := range widths {
		sum += w
	}
	return sum
}

// shorten leaves of every field what must be said.
func shorten(view [][]tableCell) {
	for _, line := range view {
		for col := range line {
			line[col].more = ""
		}
	}
}

// fitting splits view into tables of so many columns of a terminal, each with the kernels in front.
func fitting(view [][]tableCell, width int) [][][]tableCell {
	var parts [][][]tableCell
	columns := []int{0}
	w := widths(view)
	used := needs(w[:1])
	for col := 1; col < len(w); col++ {
		if used+w[col] > width && len(columns) > 1 {
			parts = append(parts, pick(view, columns))
			columns, used = []int{0}, needs(w[:1])
		}
		columns, used = append(columns, col), used+w[col]
	}
	return append(parts, pick(view, columns))
}

// pick gives some columns of view.
func pick(view [][]tableCell, columns []int) [][]tableCell {
	var picked [][]tableCell
	for _, line := range view {
		var cells []tableCell
		for _, col := range columns {
			cells = append(cells, line[col])
		}
		picked = append(picked, cells)
	}
	return picked
}

// render aligns the columns of view and gives one line for each of its rows.
func render(view [][]tableCell, color bool) []string {
	t := table.New().Border(lipgloss.HiddenBorder()).Wrap(false).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).BorderRow(false)
	for _, line := range view {
		var texts []string
		for _, c := range line {
			texts = append(texts, c.full())
		}
		t.Row(texts...)
	}
	t.StyleFunc(func(row, col int) lipgloss.Style {
		style := lipgloss.NewStyle().PaddingRight(gap)
		if col == 0 {
			style = style.PaddingLeft(indent)
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
