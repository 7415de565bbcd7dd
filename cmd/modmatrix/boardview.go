package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/harness"
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
	waiting  = "·"
	never    = "–"
	nowRoom  = 18 // least width for what a row is doing now
	maxLabel = 36
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
	var lines []string
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
	t := fmt.Sprintf("%s · %d kernels", results.Plain(b.module), len(b.rows))
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
	for _, s := range results.Statuses {
		if n := b.judged[s]; n > 0 && s != results.Skip {
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
	for _, columns := range [][]column{b.columns(true, true), b.columns(false, true), b.columns(false, false)} {
		grid = f.fill(rows, columns)
		if gridWidth(grid)+nowRoom <= f.width || len(columns) == 2 {
			break
		}
	}
	lines := f.align(grid)
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
	cols := []column{{"KERNEL", frame.label}}
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

func gridWidth(grid [][]field) int {
	sum := 4
	for _, w := range widths(grid) {
		sum += w + 2
	}
	return sum
}

// widths are those of all columns but the last.
func widths(grid [][]field) []int {
	w := make([]int, len(grid[0])-1)
	for _, line := range grid {
		for i := range w {
			w[i] = max(w[i], ansi.StringWidth(line[i].text))
		}
	}
	return w
}

func (f frame) align(grid [][]field) []string {
	w := widths(grid)
	w[0] = min(w[0], max(f.width-4-2-nowRoom, 12))
	var lines []string
	for n, line := range grid {
		mark := "    "
		if n > 0 {
			mark = "  "
		}
		b := mark
		for i, x := range line[:len(w)] {
			x.text = ansi.Truncate(x.text, w[i]+markWidth(n, i), "…")
			b += f.paint(x) + strings.Repeat(" ", max(w[i]+markWidth(n, i)-ansi.StringWidth(x.text), 0)+2)
		}
		lines = append(lines, strings.TrimRight(b+f.paint(line[len(line)-1]), " "))
	}
	return lines
}

// markWidth is what a row's label has over that of the header: its mark.
func markWidth(line, col int) int {
	if line > 0 && col == 0 {
		return 2
	}
	return 0
}

func (f frame) spin() rune {
	return spinner[int(f.now.UnixMilli()/120)%len(spinner)]
}

// label is the mark of the row's phase and the target's name.
func (f frame) label(r *boardRow) field {
	name := ansi.Truncate(results.Plain(r.label), maxLabel, "…")
	switch r.phase() {
	case phaseBusy:
		return field{string(f.spin()) + " " + name, "busy"}
	case phaseFailed:
		return field{"✗ " + name, "FAIL"}
	case phasePassed:
		return field{"✓ " + name, "PASS"}
	}
	return field{waiting + " " + name, "dim"}
}

func stageColumn(stage results.Stage) func(frame, *boardRow) field {
	return func(f frame, r *boardRow) field {
		s := r.stages[stage]
		switch {
		case s.state == harness.StateDone && s.took >= 50*time.Millisecond:
			return field{fmt.Sprintf("%.1fs", s.took.Seconds()), "plain"}
		case s.state == harness.StateDone:
			return field{"ok", "plain"}
		case s.state == harness.StateCached:
			return field{"cached", "dim"}
		case s.state == harness.StateFailed:
			return field{"FAIL", "FAIL"}
		case s.state == harness.StateProgress && s.total > 0:
			return field{percent(s.done, s.total), "busy"}
		case s.state != "":
			return field{"…", "busy"}
		case r.phase() == phaseFailed || r.phase() == phasePassed:
			return field{never, "dim"}
		}
		return field{waiting, "dim"}
	}
}

func percent(done, total int64) string {
	return fmt.Sprintf("%d%%", min(max(done, 0)*100/max(total, 1), 100))
}

// suite is one cell: its score once it is judged, and how far it is until then.
func (r *boardRow) suite(i int) field {
	if i >= len(r.cells) {
		return field{waiting, "dim"}
	}
	c := r.cells[i]
	switch {
	case c.record != nil:
		score, status := c.record.Score()
		return field{score, string(status)}
	case c.state == "":
		return field{waiting, "dim"}
	case c.stage == results.StageTest && c.total > 0:
		return field{fmt.Sprintf("%d/%d", c.done, c.total), "busy"}
	}
	return field{string(c.stage), "busy"}
}

// doing says what goes on in the row now, with how long it takes already; short names the suite in it.
func (r *boardRow) doing(f frame, short bool) field {
	if s := r.stages[results.StageFetch]; s.busy() {
		text := strings.TrimSpace(results.Plain(s.text))
		if text == "" {
			text = "fetching"
		}
		if s.total > 0 {
			text += " " + percent(s.done, s.total)
		}
		return field{text + f.since(s), "plain"}
	}
	if s := r.stages[results.StageBuild]; s.busy() {
		return field{"building" + f.since(s), "plain"}
	}
	for _, c := range r.cells {
		if c.record == nil && c.state != "" && (c.busy() || !r.othersBusy(c)) {
			return c.doing(f, short || len(r.cells) > 1)
		}
	}
	return r.outcome(short)
}

func (r *boardRow) othersBusy(c *boardCell) bool {
	return slices.ContainsFunc(r.cells, func(o *boardCell) bool { return o != c && o.record == nil && o.busy() })
}

func (c *boardCell) doing(f frame, named bool) field {
	words := map[results.Stage]string{results.StageBoot: "booting", results.StageLoad: "loading", results.StageUnload: "unloading",
		results.StageShutdown: "powering off", results.StageTest: "testing"}
	text := words[c.stage]
	if c.stage == results.StageTest && c.text != "" {
		text = fmt.Sprintf("%d/%d %q", c.done+1, max(c.total, c.done+1), results.Plain(c.text))
	}
	if named && c.suite != "" {
		text = results.Plain(c.suite) + ": " + text
	}
	return field{text + f.since(&c.boardStage), "plain"}
}

// outcome is the reason of the worst cell of the row, or with short the scores, which have no columns then.
func (r *boardRow) outcome(short bool) field {
	var worst *results.Record
	var scores []string
	for _, c := range r.cells {
		if c.record == nil {
			continue
		}
		score, _ := c.record.Score()
		scores = append(scores, score)
		if worst == nil || worst.Status.Worse(c.record.Status) != worst.Status {
			worst = c.record
		}
	}
	if worst == nil {
		return field{}
	}
	if worst.Status == results.Pass {
		if short {
			return field{strings.Join(scores, " "), "PASS"}
		}
		return field{}
	}
	text := results.Plain(worst.Reason)
	if short {
		text = strings.TrimSpace(string(worst.Status) + " " + text)
	}
	return field{text, string(worst.Status)}
}

// since tells how long a stage runs, from the third second on: what is over at once is not worth reading.
func (f frame) since(s *boardStage) string {
	seconds := int(f.now.Sub(s.since).Seconds())
	if s.since.IsZero() || seconds < 3 {
		return ""
	}
	return " " + clock(seconds)
}

// visible picks the rows to show in a terminal of that height, in their order, and says what is not there.
func (b *board) visible(height int) ([]*boardRow, string) {
	const around = 7 // title, blank, header, "and more", blank, footer, and the line of the cursor
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
