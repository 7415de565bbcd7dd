package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

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

	numberRoom = 3
)

var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

func (f Frame) spin() string { return string(spinner[int(f.Now.UnixMilli()/120)%len(spinner)]) }

// View draws the board: a header, one line for each target that fits, and a footer. No line is wider than the frame.
func (b *Board) View(f Frame) string {
	lines := []string{""}
	if b.module != "" {
		lines = append(lines, paint(results.Plain(b.module)+" · "+size(len(b.rows), 0, b.suites), "head", f.Color), "")
	}
	lines = append(lines, b.table(f)...)
	lines = append(lines, "", b.footer(f))
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, f.Width, "…")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (b *Board) footer(f Frame) string {
	var parts []string
	add := func(text string, with ink) { parts = append(parts, paint(text, with, f.Color)) }
	add(clock(max(f.Now.Sub(b.began), 0)), "dim")
	if b.cells > 0 {
		judged := 0
		for _, n := range b.judged {
			judged += n
		}
		add(fmt.Sprintf("%d/%d cells", judged, b.cells), "dim")
	}
	if left := b.ends.Sub(f.Now).Round(time.Second); left > 0 {
		add("about "+clock(left)+" left", "dim")
	}
	for _, s := range results.Statuses {
		if n := b.judged[s]; n > 0 {
			add(fmt.Sprintf("%d %s", n, strings.ToLower(string(s))), ink(s))
		}
	}
	if f.Stopping {
		add("stopping; Ctrl-C again ends it at once", ink(results.Miss))
	}
	return "  " + strings.Join(parts, paint(" · ", "dim", f.Color))
}

func (b *Board) table(f Frame) []string {
	rows, hidden := b.visible(f.Height)
	if len(rows) == 0 {
		return []string{"  " + paint(f.spin(), "busy", f.Color) + " planning"}
	}
	var grid [][]field
	var w []int
	for _, show := range []struct{ stages, suites bool }{{true, true}, {false, true}, {false, false}} {
		grid = make([][]field, 1)
		for _, r := range rows {
			heads, line := b.columns(f, r, show.stages, show.suites)
			grid[0] = heads
			grid = append(grid, line)
		}
		w = b.widths(grid)
		if needs(w)+gap+nowRoom <= f.Width {
			break
		}
	}
	w[0] = min(w[0], max(f.Width-indent-nowRoom, 12+gap))
	var lines []string
	for _, line := range grid {
		lines = append(lines, align(line, w, f.Color))
	}
	if hidden != "" {
		lines = append(lines, paint("    "+hidden, "dim", f.Color))
	}
	return lines
}

// columns of a row are the stages that suites share, the suites, and always its name and what goes on now, with their heads.
func (b *Board) columns(f Frame, r *boardRow, stages, suites bool) (heads, line []field) {
	add := func(head string, x field) {
		heads, line = append(heads, field{text: head, ink: "head"}), append(line, x)
	}
	if name := r.name(f); b.number {
		name.text = fmt.Sprintf("%*d %s", numberRoom-1, slices.Index(b.rows, r)+1, name.text)
		add(strings.Repeat(" ", numberRoom)+"  KERNEL", name)
	} else {
		add("  KERNEL", name)
	}
	if stages {
		add("FETCH", r.stage(&r.fetch))
		if len(b.suites) > 0 {
			add("BUILD", r.stage(&r.build))
		}
	}
	for i, s := range b.suites {
		if suites && s != "" {
			add(results.Plain(s), r.suite(i))
		}
	}
	add("", r.doing(f, !suites))
	return heads, line
}

// widths are those of all columns but the last. The labels of rows out of sight count too: nothing jumps when they come into it.
func (b *Board) widths(grid [][]field) []int {
	w := widths(grid)[:len(grid[0])-1]
	for i := range w {
		w[i] = max(w[i], stageRoom+gap)
	}
	more := 2 + gap
	if b.number {
		more += numberRoom
	}
	for _, r := range b.rows {
		w[0] = max(w[0], min(ansi.StringWidth(results.Plain(r.label)), maxLabel)+more)
	}
	return w
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
