package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

func comparesInTree(m results.Matrix) bool {
	return slices.ContainsFunc(m.Rows, func(w results.Row) bool {
		return slices.ContainsFunc(w.Cells, func(rec results.Record) bool { return rec.InTreeRun != nil })
	})
}

// inTreeCell shows the result of the kernel's own copy in words that no verdict on the module is shown in, and in no colour.
func inTreeCell(rec results.Record) field {
	if rec.InTreeRun == nil {
		return field{text: never}
	}
	theirs := rec.InTreeRun.Record
	count := countSpecs(theirs)
	score := fmt.Sprintf(" %d/%d", count[results.Pass], len(theirs.Specs))
	if len(theirs.Specs) == 0 {
		score = ""
	}
	switch theirs.Status {
	case results.Pass:
		return field{text: "works" + score}
	case results.Fail:
		if theirs.Stage != results.StageTest || count[results.Pass] == len(theirs.Specs) {
			score = " at " + string(theirs.Stage)
		}
		return field{text: "broken" + score}
	case results.Skip:
		return field{text: "skipped"}
	}
	return field{text: "not known"}
}

// inTreeMatrix is m with the kernel's own copies in the place of the module. Where there is none, it is a SKIP.
func inTreeMatrix(m results.Matrix) results.Matrix {
	var theirs results.Results
	for _, w := range m.Rows {
		for _, rec := range w.Cells {
			r := results.Record{Target: rec.Target, Suite: rec.Suite, Status: results.Skip}
			if rec.InTreeRun != nil {
				r = rec.InTreeRun.Record
				r.Target, r.Suite, r.InTreeRun = rec.Target, rec.Suite, nil
				r.Reason = "the kernel's own " + strings.Join(rec.InTreeRun.Modules, ", ") + ": " + cmp.Or(r.Reason, string(r.Code), string(r.Status))
			}
			theirs.Records = append(theirs.Records, r)
		}
	}
	return theirs.Matrix()
}

// inTreeEntries say on which kernels the one copy works and the other does not, and what is wrong with the kernel's own.
func inTreeEntries(m results.Matrix, asked results.Asked, dir string) (all []entry) {
	if !comparesInTree(m) {
		return nil
	}
	theirs := inTreeMatrix(m)
	var better, worse []string
	for i, w := range m.Rows {
		label := results.Plain(w.Target.Label())
		switch ours, own := w.Status(), theirs.Rows[i].Status(); {
		case ours == results.Fail && own == results.Pass:
			better = append(better, label)
		case ours == results.Pass && own == results.Fail:
			worse = append(worse, label)
		}
	}
	if len(better) > 0 {
		all = append(all, entry{about: "in tree", text: "the kernel's own copy works where this one fails: " + strings.Join(better, ", ")})
	}
	if len(worse) > 0 {
		all = append(all, entry{about: "in tree", text: "the kernel's own copy is broken where this one works: " + strings.Join(worse, ", "), follows: len(all) > 0})
	}
	for _, f := range findings(theirs) {
		e := entry{about: "in tree", text: f.heading(), details: f.details(asked, dir)}
		e.details[len(e.details)-1].text += " --compare-in-tree"
		all = append(all, e)
	}
	return all
}
