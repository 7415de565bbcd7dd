package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// finding is one cause with every cell it struck: what a person has to look into once.
type finding struct {
	rec  results.Record // the first cell it struck
	also []string       // labels of the other targets
}

// findings folds the cells that did not pass by their cause, worst first, then in the order of the matrix.
// Up to the build all suites of a target share one fate, so there the suite does not count.
func findings(m results.Matrix) []finding {
	type cause struct {
		status results.Status
		stage  results.Stage
		code   results.Code
		suite  string
		reason string
	}
	var found []finding
	at := map[cause]int{}
	for _, w := range m.Rows {
		for _, rec := range w.Cells {
			if rec.Status == results.Pass || rec.Status == results.Skip {
				continue
			}
			c := cause{rec.Status, rec.Stage, rec.Code, rec.Suite, rec.Reason}
			if shared(rec) {
				c.suite = ""
			}
			i, ok := at[c]
			if !ok {
				at[c] = len(found)
				found = append(found, finding{rec: rec})
				continue
			}
			label := rec.Target.Label()
			if label != found[i].rec.Target.Label() && !slices.Contains(found[i].also, label) {
				found[i].also = append(found[i].also, label)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		return slices.Index(results.Statuses, a.rec.Status) - slices.Index(results.Statuses, b.rec.Status)
	})
	return found
}

// shared says whether the cell ended at something that all suites of its target share.
func shared(rec results.Record) bool {
	return stopped(rec, results.StageFetch, results.StageBuild) || rec.Code == results.CodeInterrupted
}

// heading is the finding in one line: where, and what.
func (f finding) heading() string {
	where := results.Plain(f.rec.Suite)
	if f.rec.Stage != results.StageTest && stopped(f.rec, results.Stages...) || where == "" {
		where = strings.Trim(where+" "+string(f.rec.Stage), " ")
		if shared(f.rec) {
			where = string(f.rec.Stage)
		}
	}
	parts := []string{results.Plain(f.rec.Target.Label())}
	if where != "" {
		parts = append(parts, where)
	}
	return strings.Join(parts, " · ") + ": " + f.rec.Why()
}

// failed is the spec to look at, if it is a single one.
func (f finding) failed() (results.Spec, bool) {
	bad := slices.DeleteFunc(slices.Clone(f.rec.Specs), func(s results.Spec) bool { return s.Status != results.Fail })
	if len(bad) != 1 {
		return results.Spec{}, false
	}
	return bad[0], true
}

// again is the command that runs the cell of the finding, and no other. What all suites share takes no suite.
func (f finding) again(asked results.Asked) string {
	words := asked.Command()
	if k := f.rec.Target.Selector(); k != "" {
		words = append(words, "-k", k)
	}
	if s := f.rec.Suite; s != "" && !shared(f.rec) {
		words = append(words, "--suite", asked.Suite(s))
	}
	if spec, ok := f.failed(); ok {
		words = append(words, "--focus", regexp.QuoteMeta(spec.Name))
	} else if asked.Focus != "" && !shared(f.rec) {
		words = append(words, "--focus", asked.Focus)
	}
	return results.ShellLine(words...)
}
