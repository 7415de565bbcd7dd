package report

import (
	"slices"

	"github.com/modmatrix/modmatrix/results"
)

// folded puts neighbours of one series of which the table says the same on one line, with the time of the slowest build, so that what
// differs is seen at a glance. The rows that come with the lines are the first of each.
func folded(view [][]field, rows []results.Row) (short [][]field, firsts []results.Row) {
	short = view[:1:1]
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && sameSeries(rows[from].Target, rows[to].Target) && sayTheSame(view[1+from], view[1+to]) {
			to++
		}
		line := view[1+from]
		if to > from+1 {
			var all results.Row
			for _, w := range rows[from:to] {
				all.Cells = append(all.Cells, w.Cells...)
			}
			first, last := results.Plain(rows[from].Target.Version), results.Plain(rows[to-1].Target.Version)
			line[0], line[1] = field{text: first + " – " + last, more: results.Plural(to-from, "kernel")}, buildCell(all)
		}
		short, firsts = append(short, line), append(firsts, rows[from])
		from = to
	}
	return short, firsts
}

func sameSeries(a, b results.Target) bool {
	series := a.Series()
	return series != "" && series == b.Series() && a.Arch == b.Arch && a.Flavour == b.Flavour && a.Profile == b.Profile
}

// sayTheSame reports whether what follows the kernel's name is the same in a line and in a later one, but for the time of the build.
func sayTheSame(line, later []field) bool {
	last := len(line) - 1
	return line[1].ink == later[1].ink && slices.Equal(line[2:last], later[2:last]) && (line[last] == later[last] || later[last].text == same)
}
