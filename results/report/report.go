// Package report writes results for whoever reads them: as text for a terminal, as Markdown for a merge request, as a live
// board while a run goes on, and what plan, explain, bisect and doctor print.
//
// It is the only package that draws. It reads nothing but results: it must never know how they were made, and decides
// nothing. Whatever comes from a guest, a compiler or a module can only be read in what it writes.
package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// nothingTested heads the line that says that there was not a single test, which must not look like success.
const nothingTested = "NOTHING WAS TESTED"

// entry is something to know besides the table, in every format.
type entry struct {
	about   string         // "in tree" or "note"; empty: the module
	status  results.Status // of a finding about the module
	text    string
	details []detail
	first   *firstBad // then there is no text
	follows bool      // the entry before is about the same, so that no blank line is needed
}

type detail struct{ label, text string }

// entries lists what to say besides the table: findings, the kernel's own copies, first bad kernels, notes. Files are below dir.
func entries(m results.Matrix, asked results.Asked, dir string) (all []entry) {
	for _, f := range findings(m) {
		all = append(all, entry{status: f.rec.Status, text: f.heading(), details: f.details(asked, dir)})
	}
	all = append(all, inTreeEntries(m, asked, dir)...)
	for i, b := range firstBads(m) {
		e := entry{first: &b, follows: i > 0}
		if command := b.bisect(asked); command != "" {
			e.details = []detail{{"between them", command}}
		}
		all = append(all, e)
	}
	for i, n := range notes(m) {
		all = append(all, entry{about: "note", text: n, follows: i > 0})
	}
	return all
}

// details are the files that show the finding, with the line where it is known, and the command that runs it again.
func (f finding) details(asked results.Asked, dir string) (all []detail) {
	a := f.rec.Artifacts
	if a.BuildLog != "" && stopped(f.rec, results.StageBuild) {
		all = append(all, detail{"log", results.Plain(filepath.Join(dir, a.BuildLog))})
	}
	if spec, ok := f.failed(); ok && spec.Location != "" {
		all = append(all, detail{"spec", results.Plain(spec.Location)})
	}
	if a.Console != "" && !stopped(f.rec, results.StageFetch, results.StageBuild) {
		path := results.Plain(filepath.Join(dir, a.Console))
		if line := f.line(); line > 0 {
			path += fmt.Sprintf(":%d", line)
		}
		all = append(all, detail{"console", path})
	}
	if len(f.also) > 0 {
		all = append(all, detail{"also", results.Plain(strings.Join(f.also, ", "))})
	}
	return append(all, detail{"again", f.again(asked)})
}

// line is where the console shows the fault: the first splat of the stage that decided.
func (f finding) line() int {
	for _, s := range f.rec.Splats {
		if s.Stage == "" || s.Stage == f.rec.Stage {
			return s.Line
		}
	}
	return 0
}

// notes says what decided nothing and should be known, each note once with the kernels it holds for.
func notes(m results.Matrix) (lines []string) {
	var all [][2]string // with the kernel
	for _, w := range m.Rows {
		for _, rec := range w.Cells {
			said := rec.Notes
			if rec.Kept != nil {
				said = append(slices.Clone(said), keptMark+": "+judgedBefore(rec.Kept))
			}
			for _, n := range said {
				all = append(all, [2]string{n, results.Plain(rec.Target.Label())})
			}
		}
	}
	for _, same := range grouped(all, func(n [2]string) string { return n[0] }) {
		var kernels []string
		for _, n := range same {
			kernels = append(kernels, n[1])
		}
		kernels = slices.Compact(kernels)
		on := strings.Join(kernels, ", ")
		if len(kernels) == len(m.Rows) && len(m.Rows) > 1 {
			on = "every kernel"
		}
		lines = append(lines, fmt.Sprintf("%s (%s)", results.Plain(same[0][0]), on))
	}
	return lines
}

func judgedBefore(k *results.Kept) string {
	return "judged in the run of " + k.Started.UTC().Format("2006-01-02 15:04 UTC") + ", and not run again"
}

// suiteNames are the names that a heading has; build alone has none.
func suiteNames(suites []string) (names []string) {
	for _, s := range suites {
		if s != "" {
			names = append(names, results.Plain(s))
		}
	}
	return names
}
