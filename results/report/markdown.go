package report

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Markdown writes the matrix for a merge request or a job summary, in GitHub's dialect (which GitLab reads as well).
// All foreign text stands in code spans, where nothing has a meaning.
func Markdown(w io.Writer, r *results.Results) error {
	out := bufio.NewWriter(w)
	m := r.Matrix()
	fmt.Fprintf(out, "### %s\n\n", code(r.Module.Name+" "+r.Module.Version))
	line := kernelsOf(len(m.Rows), len(m.Archs()))
	for i, s := range suiteNames(m.Suites) {
		line += []string{" × ", ", "}[min(i, 1)] + code(s)
	}
	if accel := r.Run.Host.Accelerator; accel != "" {
		line += " on " + code(accel)
	}
	fmt.Fprintf(out, "%s: **%s**\n\n", line, totals(m, 0))
	if with := devices(r); with != "" {
		fmt.Fprintf(out, "with %s\n\n", code(with))
	}
	if why := r.WhyUntested(); why != "" {
		fmt.Fprintf(out, "**%s**: %s\n\n", nothingTested, code(why))
	}
	if line := holdsLine(r); line != "" {
		fmt.Fprintf(out, "%s\n\n", code(line))
	}
	if len(m.Rows) > 0 {
		writeMarkdownTable(out, byArch(tableOf(m), m.Rows))
	}
	for _, e := range entries(m, r.Run.Asked, "") {
		writeMarkdown(out, e)
	}
	writeChecksMarkdown(out, m)
	writeSinceMarkdown(out, r)
	return out.Flush()
}

// writeMarkdownTable writes the table; the words in its middle are our own and need no code span.
func writeMarkdownTable(out io.Writer, view [][]field) {
	for i, line := range view {
		var cells []string
		for col, c := range line {
			text, last := c.full(), col == len(line)-1
			switch {
			case i == 0 && last:
				text = "CAUSE"
			case i == 0 && col >= ownColumns, i > 0 && (col == 0 || last):
				text = cellCode(text)
			}
			if c.ink == ink(results.Fail) || i > 0 && c.ink == "head" {
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

func writeMarkdown(out io.Writer, e entry) {
	switch {
	case e.first != nil:
		fmt.Fprintf(out, "\n- first bad: %s, last good: %s", code(e.first.bad.Target.Version), code(e.first.good.Target.Version))
		if e.first.kind != "" {
			fmt.Fprintf(out, ", of %s", code(e.first.kind))
		}
		fmt.Fprintln(out)
	case e.about == "":
		fmt.Fprintf(out, "\n- **%s** %s\n", e.status, code(e.text))
	default:
		fmt.Fprintf(out, "\n- %s: %s\n", e.about, code(e.text))
	}
	for _, d := range e.details {
		if d.label == "also" {
			d.label = "also on"
		}
		fmt.Fprintf(out, "  - %s: %s\n", d.label, code(d.text))
	}
}

// code makes foreign text a code span of GitHub's markdown, in which nothing else has a meaning: no HTML, no link,
// no emphasis, no @mention (GFM §6.3, code spans). The fence is longer than any run of backticks in the text.
func code(s string) string {
	s = results.Plain(s)
	if s == "" {
		return ""
	}
	fence, room := "`", ""
	for _, run := range backticks.FindAllString(s, -1) {
		if room = " "; len(run) >= len(fence) {
			fence = run + "`"
		}
	}
	return fence + room + s + room + fence
}

var backticks = regexp.MustCompile("`+")

// cellCode is code within a table, where a bar ends the cell even inside of a code span (GFM §4.10, tables).
// A backslash of the text itself is kept away from the bar, lest it escapes our own.
func cellCode(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(code(s), `\|`, `\ |`), "|", `\|`)
}
