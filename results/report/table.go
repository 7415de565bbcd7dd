package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

const (
	causeRoom  = 24     // least width that a cause is worth being shown in; with less it gets a line of its own
	causeMax   = 80     // columns of a cause that the table shows at most; all of it stands below
	same       = "same" // stands for the cause of the row above
	ownColumns = 3      // KERNEL, BUILD and LOAD, which head the table; suites come after them
)

func tableOf(m results.Matrix) [][]field {
	type column struct {
		head string
		cell func(results.Row) field
	}
	kernel := func(w results.Row) field { return field{text: results.Plain(w.Target.Label())} }
	columns := []column{{"KERNEL", kernel}}
	if !allStatic(m) {
		columns = append(columns, column{"BUILD", buildCell})
	}
	perSuite := func(prefix string, cell func(results.Record) field) {
		for i, s := range m.Suites {
			if s == results.Checks && prefix != "" {
				continue // the kernel's own copy is not checked
			}
			columns = append(columns, column{prefix + s, func(w results.Row) field { return cell(w.Cells[i]) }})
		}
	}
	inTree := comparesInTree(m)
	if inTree || slices.ContainsFunc(m.Rows, reachedGuest) {
		columns = append(columns, column{"LOAD", loadCell})
	}
	if inTree || slices.ContainsFunc(m.Rows, reachedGuest) || slices.Contains(m.Suites, results.Checks) {
		perSuite("", suiteCell)
	}
	if inTree {
		perSuite("in-tree ", inTreeCell)
	}
	lines := make([][]field, 1)
	for _, c := range columns {
		lines[0] = append(lines[0], field{text: results.Plain(c.head), ink: "head"})
	}
	lines[0] = append(lines[0], field{})
	last, arch := "", ""
	for _, w := range m.Rows {
		if w.Target.Arch != arch {
			last, arch = "", w.Target.Arch
		}
		var line []field
		for _, c := range columns {
			line = append(line, c.cell(w))
		}
		why := cause(w)
		shown := why
		switch {
		case why != "" && why == last:
			shown = same
		case w.Status() != results.Skip: // of a SKIP, nothing is said but here
			shown = clip(why, causeMax)
		}
		last = why
		lines = append(lines, append(line, field{text: shown}))
	}
	return lines
}

// drawTable writes the table; where it is longer than a screen, neighbours that say the same share a line.
func drawTable(m results.Matrix, opt Options) string {
	text := layOut(byArch(tableOf(m), m.Rows), opt)
	if opt.Height > 0 && strings.Count(text, "\n") > opt.Height {
		text = layOut(byArch(folded(tableOf(m), m.Rows)), opt)
	}
	return text
}

// byArch puts the name of each architecture over its rows, of which view has a line each below its head, where there are several.
func byArch(view [][]field, rows []results.Row) [][]field {
	if len((results.Matrix{Rows: rows}).Archs()) < 2 {
		return view
	}
	all := view[:1:1]
	for i, w := range rows {
		if i == 0 || w.Target.Arch != rows[i-1].Target.Arch {
			name := make([]field, len(view[0]))
			name[0] = field{text: cmp.Or(results.Plain(w.Target.Arch), "not resolved"), ink: "head"}
			all = append(all, name)
		}
		all = append(all, view[1+i])
	}
	return all
}

// layOut writes view in opt.Width columns. Where they are too few, causes get lines of their own, then the columns
// say less, and in the end some stand below the others: no verdict is ever cut off.
func layOut(view [][]field, opt Options) string {
	last := len(view[0]) - 1
	parts, causes := [][][]field{view}, make([]string, len(view))
	w := widths(view)
	if opt.Width > 0 && needs(w) > opt.Width && opt.Width-needs(w[:last])-gap < causeRoom {
		for i, line := range view {
			causes[i] = line[last].text
			view[i] = line[:last]
			if needs(w[:last]) > opt.Width {
				for col := range view[i] {
					view[i][col].more = ""
				}
			}
		}
		parts = fitting(view, opt.Width)
	}
	var b strings.Builder
	for _, part := range parts {
		w := widths(part)
		for i, line := range part {
			b.WriteString(clip(align(line, w, opt.Color), opt.Width) + "\n")
			if causes[i] != "" && causes[i] != same {
				b.WriteString(clip("    "+causes[i], opt.Width) + "\n")
			}
		}
		clear(causes)
		b.WriteString("\n")
	}
	return b.String()
}

// fitting splits view into tables of so many columns of a terminal, each with the kernels in front.
func fitting(view [][]field, width int) (parts [][][]field) {
	w := widths(view)
	for from := 1; from < len(w); {
		to, used := from+1, needs(w[:1])+w[from]
		for to < len(w) && used+w[to] <= width {
			used += w[to]
			to++
		}
		var part [][]field
		for _, line := range view {
			part = append(part, slices.Concat(line[:1], line[from:to]))
		}
		parts = append(parts, part)
		from = to
	}
	return parts
}
