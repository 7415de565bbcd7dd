package report

import (
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// ink says how a text is coloured: a status, or one of the words below. The zero value is plain.
type ink string

// inks are the basic colours, which every terminal shows in its own scheme.
var inks = map[ink]lipgloss.Style{
	"dim":              lipgloss.NewStyle().Faint(true),
	"head":             lipgloss.NewStyle().Bold(true),
	"busy":             lipgloss.NewStyle().Foreground(lipgloss.Color("6")),
	"loud":             lipgloss.NewStyle().Foreground(lipgloss.Color("3")).Bold(true),
	ink(results.Pass):  lipgloss.NewStyle().Foreground(lipgloss.Color("2")),
	ink(results.Fail):  lipgloss.NewStyle().Foreground(lipgloss.Color("1")),
	ink(results.Error): lipgloss.NewStyle().Foreground(lipgloss.Color("5")),
	ink(results.Miss):  lipgloss.NewStyle().Foreground(lipgloss.Color("3")),
	ink(results.Skip):  lipgloss.NewStyle().Foreground(lipgloss.Color("8")),
}

type field struct {
	text string
	more string // what is left out where there is no room for it
	ink  ink
}

func (x field) full() string {
	if x.more == "" {
		return x.text
	}
	return x.text + "  " + x.more
}

func paint(text string, with ink, color bool) string {
	if style, ok := inks[with]; ok && color && text != "" {
		return style.Render(text)
	}
	return text
}

const (
	indent = 2 // before every line of a table
	gap    = 2 // behind every column
)

// widths are those of all columns, with the gap behind them; an empty column has none.
func widths(view [][]field) []int {
	all := make([]int, len(view[0]))
	for _, line := range view {
		for col, x := range line {
			if n := ansi.StringWidth(x.full()); n > 0 {
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

// align pads every column to its width and cuts what is longer; one without a width may be of any length.
func align(line []field, widths []int, color bool) string {
	text := strings.Repeat(" ", indent)
	for col, x := range line {
		full := x.full()
		if col >= len(widths) {
			text += paint(full, x.ink, color)
			continue
		}
		full = ansi.Truncate(full, max(widths[col]-gap, 0), "…")
		text += paint(full, x.ink, color) + strings.Repeat(" ", widths[col]-ansi.StringWidth(full))
	}
	return strings.TrimRight(text, " ")
}

// clip cuts a line to width columns, with an ellipsis; zero leaves it alone.
func clip(line string, width int) string {
	if width <= 0 {
		return line
	}
	return ansi.Truncate(line, width, "…")
}
