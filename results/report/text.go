package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// Options say how Text writes. The zero value is plain text of any width, as for a file.
type Options struct {
	Color   bool
	Width   int           // columns of the terminal; zero: lines may be of any length
	Height  int           // lines of the terminal, beyond which the table folds; zero: every kernel has a line of its own
	Dir     string        // the folder of results.json as the reader would type it; paths are shown below it
	Elapsed time.Duration // of the whole run; zero is not shown
}

// Text writes the matrix as a person reads it: a table, the totals, and for every fault one line of cause with the
// log that shows it and the command that runs the cell again.
func Text(w io.Writer, r *results.Results, opt Options) error {
	out := bufio.NewWriter(w)
	m := r.Matrix()
	fmt.Fprintf(out, "%s\n\n", clip(header(r, m), opt.Width))
	if len(m.Rows) > 0 {
		out.WriteString(drawTable(m, opt))
	}
	fmt.Fprintf(out, "%s\n", totals(m, opt.Elapsed))
	if with := devices(r); with != "" {
		fmt.Fprintf(out, "with %s\n", Wrap(with, opt.Width-5, 5))
	}
	if why := r.WhyUntested(); why != "" {
		fmt.Fprintf(out, "%s\n", paint(Wrap(nothingTested+": "+results.Plain(why), opt.Width-2, 2), "loud", opt.Color))
	}
	if line := holdsLine(r); line != "" {
		fmt.Fprintf(out, "%s\n", Wrap(line, opt.Width-2, 2))
	}
	for _, e := range entries(m, r.Run.Asked, opt.Dir) {
		writeText(out, e, opt.Width)
	}
	writeChecks(out, m, opt)
	writeSince(out, r)
	return out.Flush()
}

func writeText(out io.Writer, e entry, width int) {
	if !e.follows {
		fmt.Fprintln(out)
	}
	if e.first != nil {
		fmt.Fprintln(out, e.first.line(e.details))
		return
	}
	lead := map[string]string{"note": "note  ", "in tree": "in tree    "}[e.about]
	fmt.Fprintf(out, "%s%s\n", lead, Wrap(e.text, width-2, 2))
	for _, d := range e.details {
		fmt.Fprintf(out, "   %-7s  %s\n", d.label, d.text)
	}
}

// line says where the module stopped working, and how to find out more.
func (b firstBad) line(more []detail) string {
	line := fmt.Sprintf("first bad  %s (last good %s)", results.Plain(b.bad.Target.Version), results.Plain(b.good.Target.Version))
	if b.kind != "" {
		line += " · " + b.kind
	}
	for _, d := range more {
		line += ": " + d.text
	}
	return line
}

func header(r *results.Results, m results.Matrix) string {
	line := strings.TrimSpace(results.Plain(r.Module.Name)+" "+results.Plain(r.Module.Version)) + " · " + size(len(m.Rows), len(m.Archs()), m.Suites)
	if accel := results.Plain(r.Run.Host.Accelerator); accel != "" {
		line += " · " + accel
	}
	return line
}

// size is how much a matrix is of; of one architecture, or of none that is known, nothing is said.
func size(kernels, archs int, suites []string) string {
	text := kernelsOf(kernels, archs)
	if names := suiteNames(suites); len(names) > 0 {
		text += " × " + strings.Join(names, ", ")
	}
	return text
}

func kernelsOf(kernels, archs int) string {
	text := results.Plural(kernels, "kernel")
	if archs > 1 {
		text += fmt.Sprintf(" of %d architectures", archs)
	}
	return text
}

func totals(m results.Matrix, elapsed time.Duration) string {
	count := map[results.Status]int{}
	checked := 0
	for _, w := range m.Rows {
		if !allStatic(m) {
			if s := staticStatus(w); s == results.Fail {
				checked++
			}
			w = dynamic(w)
		}
		count[w.Status()]++
	}
	line := results.Plural(count[results.Pass], "kernel") + " pass"
	if count[results.Pass] == 1 {
		line += "es"
	}
	for _, t := range []struct {
		status    results.Status
		one, many string
	}{{results.Fail, "fails", "fail"}, {results.Error, "broke", "broke"}, {results.Miss, "did not run", "did not run"}, {results.Skip, "skipped", "skipped"}} {
		if n := count[t.status]; n > 0 {
			line += fmt.Sprintf(", %d %s", n, map[bool]string{true: t.one, false: t.many}[n == 1])
		}
	}
	if checked > 0 {
		line += fmt.Sprintf("; the static checks fail on %d", checked)
	}
	if elapsed > 0 {
		line += " · " + Seconds(elapsed)
	}
	return line
}
