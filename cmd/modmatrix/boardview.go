package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// frame says how a board is drawn.
type frame struct {
	width, height int
	now           time.Time
	color         bool
	stopping      bool // the user has asked for the end
}

const (
	waiting   = "·"
	never     = "–"
	nowRoom   = 14 // least width for what a row is doing now
	stageRoom = 6  // least width of a column, so that it does not jump when "cached" or "14/14" comes into it
	maxLabel  = 36
)

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

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
	"plain":  lipgloss.NewStyle(),
	"notice": lipgloss.NewStyle().Foreground(lipgloss.Color("3")),
}

// field is a text with the name of its ink.
type field struct{ text, ink string }

func (f frame) paint(x field) string {
	style, ok := ink[x.ink]
	if !f.color || !ok || x.ink == "plain" || x.text == "" {
		return x.text
	}
	return style.Render(x.text)
}

// view draws the board: a header, one line for each target that fits, and a footer. No line is wider than the frame.
func (b *board) view(f frame) string {
	lines := []string{""}
	if b.module != "" {
		lines = append(lines, f.paint(field{b.title(), "head"}), "")
	}
	lines = append(lines, b.table(f)...)
	lines = append(lines, "", b.footer(f))
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, f.width, "…")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (b *board) title() string {
	t := results.Plain(b.module) + " · " + plural(len(b.rows), "kernel")
	var names []string
	for _, s := range b.suites {
		if s != "" {
			names = append(names, results.Plain(s))
		}
	}
	if len(names) > 0 {
		t += " × " + strings.Join(names, ", ")
	}
	return t
}

func (b *board) footer(f frame) string {
	var parts []field
	elapsed := 0
	if !b.began.IsZero() {
		elapsed = int(f.now.Sub(b.began).Seconds())
	}
	parts = append(parts, field{clock(max(elapsed, 0)), "dim"})
	if b.cells > 0 {
		judged := 0
		for _, n := range b.judged {
			judged += n
		}
		parts = append(parts, field{fmt.Sprintf("%d/%d cells", judged, b.cells), "dim"})
	}
	if left := b.ends.Sub(f.now).Round(time.Second); left > 0 {
		parts = append(parts, field{"about " + clock(int(left.Seconds())) + " left", "dim"})
	}
	for _, s := range results.Statuses {
		if n := b.judged[s]; n > 0 {
			parts = append(parts, field{fmt.Sprintf("%d %s", n, strings.ToLower(string(s))), string(s)})
		}
	}
	if f.stopping {
		parts = append(parts, field{"stopping; Ctrl-C again ends it at once", "notice"})
	}
	var texts []string
	for _, p := range parts {
		texts = append(texts, f.paint(p))
	}
	return "  " + strings.Join(texts, f.paint(field{" · ", "dim"}))
}

// table draws the rows with as many columns as the frame has room for.
func (b *board) table(f frame) []string {
	rows, hidden := b.visible(f.height)
	if len(rows) == 0 {
		return []string{"  " + f.paint(field{string(f.spin()), "busy"}) + " planning"}
	}
	var grid [][]field
	var w []int
	for _, columns := range [][]column{b.columns(true, true), b.columns(false, true), b.columns(false, false)} {
		grid = f.fill(rows, columns)
		w = b.widths(grid)
		if sum(w)+2*len(w)+indent+nowRoom <= f.width {
			break
		}
	}
	w[0] = min(w[0], max(f.width-indent-2-nowRoom, 12))
	lines := f.align(grid, w)
	if hidden != "" {
		lines = append(lines, f.paint(field{"    " + hidden, "dim"}))
	}
	return lines
}

// column is one field of each row; the last one may be of any length.
type column struct {
	head string
	draw func(f frame, r *boardRow) field
}

// columns lists what to show: the stages that suites share, the suites, and always the label and what goes on now.
func (b *board) columns(stages, suites bool) []column {
	cols := []column{{"  KERNEL", frame.label}}
	if stages {
		cols = append(cols, column{"FETCH", stageColumn(results.StageFetch)})
		if len(b.suites) > 0 {
			cols = append(cols, column{"BUILD", stageColumn(results.StageBuild)})
		}
	}
	if suites {
		for i, s := range b.suites {
			if s != "" {
				cols = append(cols, column{results.Plain(s), func(f frame, r *boardRow) field { return r.suite(i) }})
			}
		}
	}
	return append(cols, column{"", func(f frame, r *boardRow) field { return r.doing(f, !suites) }})
}

func (f frame) fill(rows []*boardRow, columns []column) [][]field {
	grid := make([][]field, 1, len(rows)+1)
	for _, c := range columns {
		grid[0] = append(grid[0], field{c.head, "head"})
	}
	for _, r := range rows {
		var line []field
		for _, c := range columns {
			line = append(line, c.draw(f, r))
		}
		grid = append(grid, line)
	}
	return grid
}

// indent is what stands before every line of the table.
const indent = 2

// widths are those of all columns but the last. The labels of rows out of sight count too: nothing jumps when they
// come into it.
func (b *board) widths(grid [][]field) []int {
	w := make([]int, len(grid[0])-1)
	for _, line := range grid {
		for i := range w {
			w[i] = max(w[i], ansi.StringWidth(line[i].text), stageRoom)
		}
	}
	for _, r := range b.rows {
		w[0] = max(w[0], min(ansi.StringWidth(results.Plain(r.label)), maxLabel)+2)
	}
	return w
}

func sum(numbers []int) int {
	n := 0
	for _, i := range numbers {
		n += i
	}
	return n
}

// align pads every column to its width and cuts what is longer.
func (f frame) align(grid [][]field, widths []int) []string {
	var lines []string
	for _, line := range grid {
		text := strings.Repeat(" ", indent)
		for i, w := range widths {
			x := line[i]
			x.text = ansi.Truncate(x.text, w, "…")
			text += f.paint(x) + strings.Repeat(" ", w-ansi.StringWidth(x.text)+2)
		}
		lines = append(lines, strings.TrimRight(text+f.paint(line[len(line)-1]), " "))
	}
	return lines
}

func (f frame) spin() rune {
	return spinner[int(f.now.UnixMilli()/120)%len(spinner)]
}

// visible picks the rows to show in a terminal of that height, in their order, and says what is not there.
func (b *board) visible(height int) ([]*boardRow, string) {
	const around = 8 // blank, title, blank, header, "and more", blank, footer, and the line of the cursor
	room := max(height-around, 1)
	if height <= 0 || len(b.rows) <= room {
		return b.rows, ""
	}
	byNeed := slices.Clone(b.rows)
	slices.SortStableFunc(byNeed, func(x, y *boardRow) int { return int(x.phase()) - int(y.phase()) })
	shown := map[*boardRow]bool{}
	for _, r := range byNeed[:room] {
		shown[r] = true
	}
	count := map[phase]int{}
	var rows []*boardRow
	for _, r := range b.rows {
		if shown[r] {
			rows = append(rows, r)
			continue
		}
		count[r.phase()]++
	}
	var parts []string
	for _, p := range []struct {
		phase phase
		word  string
	}{{phaseBusy, "busy"}, {phaseFailed, "failed"}, {phaseWaiting, "waiting"}, {phasePassed, "done"}} {
		if n := count[p.phase]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, p.word))
		}
	}
	return rows, "and " + strings.Join(parts, ", ")
}
