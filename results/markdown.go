package results

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Markdown writes the matrix for a merge request or a job summary, in GitHub's dialect (which GitLab reads as well).
// All foreign text stands in code spans, where nothing has a meaning.
func Markdown(w io.Writer, r *Results) error {
	out := bufio.NewWriter(w)
	g := r.grid()
	fmt.Fprintf(out, "### %s\n\n", code(r.Module.Name+" "+r.Module.Version))
	line := plural(len(g.rows), "kernel")
	for i, s := range g.suites {
		if s != "" {
			line += []string{" × ", ", "}[min(i, 1)] + code(s)
		}
	}
	if accel := r.Run.Host.Accelerator; accel != "" {
		line += " on " + code(accel)
	}
	fmt.Fprintf(out, "%s: **%s**\n\n", line, totals(g, 0))
	if why := r.untested(); why != "" {
		fmt.Fprintf(out, "**%s**: %s\n\n", nothingTested, code(why))
	}
	if len(g.rows) > 0 {
		writeMarkdownTable(out, tableOf(g))
	}
	for _, f := range findings(g) {
		writeMarkdownFinding(out, f, r.Run.Asked)
	}
	writeMarkdownInTree(out, g, r.Run.Asked)
	for _, t := range turns(g) {
		writeMarkdownTurn(out, t, r.Run.Asked)
	}
	for _, n := range notes(g) {
		fmt.Fprintf(out, "\n- note: %s\n", code(n))
	}
	return out.Flush()
}

// writeMarkdownTable writes the table; the words in its middle are our own and need no code span.
func writeMarkdownTable(out *bufio.Writer, view [][]tableCell) {
	for i, line := range view {
		var cells []string
		for col, c := range line {
			foreign := col == 0 || col == len(line)-1
			if i == 0 {
				foreign = col >= ownColumns
			}
			text := c.full()
			switch {
			case i == 0 && col == len(line)-1:
				text = "CAUSE"
			case foreign:
				text = cellCode(text)
			}
			if c.status == Fail {
				text = "**" + text + "**"
			}
			cells = append(cells, text)
		}
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			fmt.Fprintf(out, "|%s\n", strings.Repeat(" --- |", len(line)))
		}
	}
}

func writeMarkdownFinding(out *bufio.Writer, f finding, asked Asked) {
	fmt.Fprintf(out, "\n- **%s** %s\n", f.rec.Status, code(f.heading()))
	for _, l := range f.logs("") {
		fmt.Fprintf(out, "  - %s: %s\n", l[0], code(l[1]))
	}
	if len(f.also) > 0 {
		fmt.Fprintf(out, "  - also on: %s\n", code(strings.Join(f.also, ", ")))
	}
	fmt.Fprintf(out, "  - again: %s\n", code(f.again(asked)))
}

func writeMarkdownTurn(out *bufio.Writer, t turn, asked Asked) {
	fmt.Fprintf(out, "\n- first bad: %s, last good: %s", code(t.bad.target.Version), code(t.good.target.Version))
	if t.kind != "" {
		fmt.Fprintf(out, ", of %s", code(t.kind))
	}
	fmt.Fprintln(out)
	if command := t.bisect(asked); command != "" {
		fmt.Fprintf(out, "  - between them: %s\n", code(command))
	}
}
