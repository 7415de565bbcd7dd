package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// Frame says how a board is drawn.
type Frame struct {
	Width, Height int // of the terminal; a height of zero shows all rows
	Now           time.Time
	Color         bool
	Stopping      bool // the user has asked for the end
}

const (
	waiting   = "·"
	nowRoom   = 14 // least width for what a row is doing now
	stageRoom = 6  // least width of a column, so that it does not jump when "cached" or "14/14" comes into it
	maxLabel  = 36
)

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

func (f Frame) spin() string { return string(spinner[int(f.Now.UnixMilli()/120)%len(spinner)]) }

// ink is how a status or phase is coloured, in the terminal's own scheme.
var ink = map[string]lipgloss.Style{
	"dim":    lipgloss.NewStyle().Faint(true),
	"head":   lipgloss.NewStyle().Bold(true),
	"busy":   lipgloss.NewStyle().Foreground(lipgloss.Color("6")),
	"PASS":   lipgloss.NewStyle().Foreground(lipgloss.Color("2")),
	"FAIL":   lipgloss.NewStyle().Foreground(lipgloss.Color("1")),
	"ERROR":  lipgloss.NewStyle().Foreground(lipgloss.Color("5")),
	"MISS":   lipgloss.NewStyle().Foreground(lipgloss.Color("3")),
	"SKIP":   lipgloss.NewStyle().Faint(true),
	"notice": lipgloss.NewStyle().Foreground(lipgloss.Color("3")),
}

// field is a text with the name of its ink.
type field struct{ text, ink string }

func (f Frame) paint(x field) string {
	style, ok := ink[x.ink]
	if !f.Color || !ok || x.text == "" {
		return x.text
	}
	return style.Render(x.text)
}

// View draws the board: a header, one line for each target that fits, and a footer. No line is wider than the frame.
func (b *Board) View(f Frame) string {
	lines := []string{""}
	if b.module != "" {
		lines = append(lines, f.paint(field{results.Plain(b.module) + " · " + size(len(b.rows), b.suites), "head"}), "")
	}
	lines = append(lines, b.table(f)...)
	lines = append(lines, "", b.footer(f))
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, f.Width, "…")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (b *Board) footer(f Frame) string {
	parts := []field{{clock(max(f.Now.Sub(b.began), 0)), "dim"}}
	judged := 0
	var counts []field
	for _, s := range results.Statuses {
		if n := b.judged[s]; n > 0 {
			judged += n
			counts = append(counts, field{fmt.Sprintf("%d %s", n, strings.ToLower(string(s))), string(s)})
		}
	}
	if b.cells > 0 {
		parts = append(parts, field{fmt.Sprintf("%d/%d cells", judged, b.cells), "dim"})
	}
	if left := b.ends.Sub(f.Now).Round(time.Second); left > 0 {
		parts = append(parts, field{"about " + clock(left) + " left", "dim"})
	}
	parts = append(parts, counts...)
	if f.Stopping {
		parts = append(parts, field{"stopping; Ctrl-C again ends it at once", "notice"})
	}
	var texts []string
	for _, p := range parts {
		texts = append(texts, f.paint(p))
	}
	return "  " + strings.Join(texts, f.paint(field{" · ", "dim"}))
}

// table draws the rows with as many columns as the frame has room for.
func (b *Board) table(f Frame) []string {
	rows, hidden := b.visible(f.Height)
	if len(rows) == 0 {
		return []string{"  " + f.paint(field{f.spin(), "busy"}) + " planning"}
	}
	var grid [][]field
	var w []int
	for _, show := range []struct{ stages, suites bool }{{true, true}, {false, true}, {false, false}} {
		grid = [][]field{b.head(show.stages, show.suites)}
		for _, r := range rows {
			grid = append(grid, b.line(f, r, show.stages, show.suites))
		}
		w = b.widths(grid)
		if needs(w)+gap+nowRoom <= f.Width {
			break
		}
	}
	w[0] = min(w[0], max(f.Width-indent-nowRoom, 12+gap))
	var lines []string
	for _, line := range grid {
		lines = append(lines, f.align(line, w))
	}
	if hidden != "" {
		lines = append(lines, f.paint(field{"    " + hidden, "dim"}))
	}
	return lines
}

// head are the columns: the stages that suites share, the suites, and always the label and what goes on now.
func (b *Board) head(stages, suites bool) []field {
	names := []string{"  KERNEL"}
	if stages {
		names = append(names, "FETCH")
		if len(b.suites) > 0 {
			names = append(names, "BUILD")
		}
	}
	if suites {
		names = append(names, suiteNames(b.suites)...)
	}
	var fields []field
	for _, n := range append(names, "") {
		fields = append(fields, field{n, "head"})
	}
	return fields
}

// line is a row in the columns of head.
func (b *Board) line(f Frame, r *boardRow, stages, suites bool) []field {
	fields := []field{r.name(f)}
	if stages {
		fields = append(fields, r.stage(&r.fetch))
		if len(b.suites) > 0 {
			fields = append(fields, r.stage(&r.build))
		}
	}
	for i, s := range b.suites {
		if suites && s != "" {
			fields = append(fields, r.suite(i))
		}
	}
	return append(fields, r.doing(f, !suites))
}

// widths are those of all columns but the last, with the gap behind them. The labels of rows out of sight count too:
// nothing jumps when they come into it.
func (b *Board) widths(grid [][]field) []int {
	w := make([]int, len(grid[0])-1)
	for _, line := range grid {
		for i := range w {
			w[i] = max(w[i], ansi.StringWidth(line[i].text)+gap, stageRoom+gap)
		}
	}
	for _, r := range b.rows {
		w[0] = max(w[0], min(ansi.StringWidth(results.Plain(r.label)), maxLabel)+2+gap)
	}
	return w
}

// align pads every column to its width and cuts what is longer.
func (f Frame) align(line []field, widths []int) string {
	text := strings.Repeat(" ", indent)
	for i, w := range widths {
		x := line[i]
		x.text = ansi.Truncate(x.text, w-gap, "…")
		text += f.paint(x) + strings.Repeat(" ", w-ansi.StringWidth(x.text))
	}
	return strings.TrimRight(text+f.paint(line[len(line)-1]), " ")
}

// visible picks the rows to show in a terminal of that height, in their order, and says what is not there.
func (b *Board) visible(height int) ([]*boardRow, string) {
	const around = 8 // blank, title, blank, header, "and more", blank, footer, and the line of the cursor
	room := max(height-around, 1)
	if height <= 0 || len(b.rows) <= room {
		return b.rows, ""
	}
	byNeed := slices.Clone(b.rows)
	slices.SortStableFunc(byNeed, func(x, y *boardRow) int { return int(x.phase()) - int(y.phase()) })
	count := map[phase]int{}
	for _, r := range byNeed[room:] {
		count[r.phase()]++
	}
	rows := slices.DeleteFunc(slices.Clone(b.rows), func(r *boardRow) bool { return !slices.Contains(byNeed[:room], r) })
	var parts []string
	for p, word := range []string{"busy", "failed", "waiting", "done"} {
		if n := count[phase(p)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	return rows, "and " + strings.Join(parts, ", ")
}
