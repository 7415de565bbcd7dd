package results

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// InTreeRun is what the same suite came to with the kernel's own copies of the modules in the place of those under test (run
// --compare-in-tree). It says nothing of the module: no summary, exit code or roll-up counts it.
type InTreeRun struct {
	Modules []string `json:"modules"` // of the kernel, in load order
	Record  Record   `json:"record"`  // has none itself
}

// check looks for what a consumer relies on.
func (run *InTreeRun) check() error {
	if run == nil {
		return nil
	}
	if run.Record.InTreeRun != nil {
		return errors.New("in tree: a copy of a copy")
	}
	if err := run.Record.check(); err != nil {
		return fmt.Errorf("in tree: %w", err)
	}
	return nil
}

// name is what a person calls what was run.
func (run *InTreeRun) name() string { return "the kernel's own " + strings.Join(run.Modules, ", ") }

// inTreeHeads head the columns of the suites that were run with the kernel's own copies as well; none where nobody asked.
func inTreeHeads(g grid) (heads []tableCell) {
	if !comparesInTree(g) {
		return nil
	}
	for _, s := range g.suites {
		heads = append(heads, tableCell{text: "in-tree " + Plain(s)})
	}
	return heads
}

// inTreeCells are what stands below inTreeHeads in the row w.
func inTreeCells(w row) (cells []tableCell) {
	for _, rec := range w.cells {
		cells = append(cells, inTreeCell(rec))
	}
	return cells
}

// comparesInTree tells whether a cell of g was run with the kernel's own copy as well.
func comparesInTree(g grid) bool {
	return slices.ContainsFunc(g.rows, func(w row) bool {
		return slices.ContainsFunc(w.cells, func(rec Record) bool { return rec.InTreeRun != nil })
	})
}

// inTreeCell shows what came of the kernel's own copy in words that no verdict on the module is shown in, and in no colour.
func inTreeCell(rec Record) tableCell {
	if rec.InTreeRun == nil {
		return tableCell{text: never}
	}
	theirs := rec.InTreeRun.Record
	passed := 0
	for _, s := range theirs.Specs {
		passed += boolInt(s.Status == Pass)
	}
	score := fmt.Sprintf(" %d/%d", passed, len(theirs.Specs))
	if len(theirs.Specs) == 0 {
		score = ""
	}
	switch theirs.Status {
	case Pass:
		return tableCell{text: "works" + score}
	case Fail:
		if theirs.Stage != StageTest || passed == len(theirs.Specs) {
			score = " at " + string(theirs.Stage)
		}
		return tableCell{text: "broken" + score}
	case Skip:
		return tableCell{text: "skipped"}
	}
	return tableCell{text: "not known"}
}

// inTreeGrid is g with what came of the kernel's own copies in the place of the records. Where there is none, it is a SKIP.
func inTreeGrid(g grid) grid {
	theirs := grid{suites: g.suites}
	for _, w := range g.rows {
		other := row{target: w.target}
		for _, rec := range w.cells {
			r := Record{Target: rec.Target, Suite: rec.Suite, Status: Skip}
			if rec.InTreeRun != nil {
				r = rec.InTreeRun.Record
				r.Status, r.InTreeRun = r.Status.known(), nil
				r.Reason = rec.InTreeRun.name() + ": " + cmp.Or(r.Reason, string(r.Code), string(r.Status))
			}
			other.cells = append(other.cells, r)
		}
		theirs.rows = append(theirs.rows, other)
	}
	return theirs
}

// inTreeTurns say on which kernels the one copy works and the other does not.
func inTreeTurns(g grid) (lines []string) {
	theirs := inTreeGrid(g)
	var better, worse []string
	for i, w := range g.rows {
		label := Plain(w.target.Label())
		switch ours, own := w.status(), theirs.rows[i].status(); {
		case ours == Fail && own == Pass:
			better = append(better, label)
		case ours == Pass && own == Fail:
			worse = append(worse, label)
		}
	}
	if len(better) > 0 {
		lines = append(lines, "the kernel's own copy works where this one fails: "+strings.Join(better, ", "))
	}
	if len(worse) > 0 {
		lines = append(lines, "the kernel's own copy is broken where this one works: "+strings.Join(worse, ", "))
	}
	return lines
}

// writeInTree tells what came of the kernel's own copies that should be known beside the verdicts.
func writeInTree(out *bufio.Writer, g grid, asked Asked, opt TextOptions) {
	if !comparesInTree(g) {
		return
	}
	for i, line := range inTreeTurns(g) {
		fmt.Fprintf(out, "%sin tree    %s\n", []string{"\n", ""}[min(i, 1)], line)
	}
	for _, f := range findings(inTreeGrid(g)) {
		fmt.Fprintf(out, "\nin tree    %s\n", opt.wrapped(f.heading()))
		for _, l := range f.logs(opt.Dir) {
			fmt.Fprintf(out, "   %-7s  %s\n", l[0], l[1])
		}
		if len(f.also) > 0 {
			fmt.Fprintf(out, "   %-7s  %s\n", "also", Plain(strings.Join(f.also, ", ")))
		}
		fmt.Fprintf(out, "   %-7s  %s\n", "again", f.againInTree(asked))
	}
}

// writeMarkdownInTree is writeInTree in Markdown.
func writeMarkdownInTree(out *bufio.Writer, g grid, asked Asked) {
	if !comparesInTree(g) {
		return
	}
	for _, line := range inTreeTurns(g) {
		fmt.Fprintf(out, "\n- in tree: %s\n", code(line))
	}
	for _, f := range findings(inTreeGrid(g)) {
		fmt.Fprintf(out, "\n- in tree: %s\n", code(f.heading()))
		for _, l := range f.logs("") {
			fmt.Fprintf(out, "  - %s: %s\n", l[0], code(l[1]))
		}
		if len(f.also) > 0 {
			fmt.Fprintf(out, "  - also on: %s\n", code(strings.Join(f.also, ", ")))
		}
		fmt.Fprintf(out, "  - again: %s\n", code(f.againInTree(asked)))
	}
}

// againInTree is again with both copies.
func (f finding) againInTree(asked Asked) string {
	command := f.again(asked)
	if !slices.Contains(asked.Words, "--compare-in-tree") {
		command += " --compare-in-tree"
	}
	return command
}
