package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/modmatrix/modmatrix/results"
)

// The most that a letter spells out, of what has no end; the rest is counted.
const (
	mailFailures = 20
	mailKernels  = 4
)

// seriesTables have a row for each kind of kernels and a column for each series; those that were compiled with a profile of
// their own, of which there are few series, stand apart.
func (l *letter) seriesTables(title string, m results.Matrix) {
	rows := slices.DeleteFunc(slices.Clone(m.Rows), func(w results.Row) bool { return w.Status() == results.Skip || w.Target.Version == "" })
	if len(rows) < 2 {
		return
	}
	l.paragraph(title)
	for _, profile := range []bool{false, true} {
		same := slices.DeleteFunc(slices.Clone(rows), func(w results.Row) bool { return (w.Target.Profile != "") != profile })
		if len(same) > 0 {
			l.table(seriesTable(same))
		}
	}
}

func seriesTable(rows []results.Row) [][]string {
	var series, kinds []string
	tried, passed := map[[2]string]int{}, map[[2]string]int{}
	for _, w := range rows {
		kind, s := label(w.Target.Variant()), clipPlain(cmp.Or(mailed(w.Target.Series()), "other"), 12)
		if !slices.Contains(series, s) {
			series = append(series, s)
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		if tried[[2]string{kind, s}]++; w.Status() == results.Pass {
			passed[[2]string{kind, s}]++
		}
	}
	slices.Sort(kinds)
	view := [][]string{append([]string{""}, series...)}
	for _, kind := range kinds {
		line := []string{kind}
		for _, s := range series {
			text := "-"
			if n := tried[[2]string{kind, s}]; n > 0 {
				text = fmt.Sprintf("%d/%d", passed[[2]string{kind, s}], n)
			}
			line = append(line, text)
		}
		view = append(view, line)
	}
	return view
}

// failure is a cause with the kernels that it struck, in words.
type failure struct {
	what    string   // "does not build"
	kernels []string // labels
	why     string
}

func failuresOf(m results.Matrix) (all []failure) {
	for _, f := range findings(m) {
		if f.rec.Status == results.Fail {
			all = addFailure(all, failure{verb(f.rec), append([]string{f.rec.Target.Label()}, f.also...), f.rec.Why()})
		}
	}
	return all
}

// addFailure puts what fails in the same way for the same reason together, be it in several suites.
func addFailure(all []failure, f failure) []failure {
	for i, other := range all {
		if other.what == f.what && other.why == f.why {
			for _, k := range f.kernels {
				if !slices.Contains(other.kernels, k) {
					all[i].kernels = append(all[i].kernels, k)
				}
			}
			return all
		}
	}
	return append(all, f)
}

// verb says what the module does where rec fails.
func verb(rec results.Record) string {
	switch rec.Stage {
	case results.StageBuild:
		return "does not build"
	case results.StageLoad:
		return "does not load"
	case results.StageUnload:
		return "does not unload cleanly"
	case results.StageTest:
		if rec.Suite != "" {
			return "fails in " + mailed(rec.Suite)
		}
	}
	return "fails"
}

// failures spells them out, each with its kernels.
func (l *letter) failures(title string, all []failure) {
	if len(all) == 0 {
		return
	}
	l.heading(title)
	for i, f := range all {
		if left := len(all) - i; i == mailFailures-1 && left > 1 {
			l.item(fmt.Sprintf("%d other causes", left))
			return
		}
		var kernels []string
		for _, k := range f.kernels {
			kernels = append(kernels, mailed(k))
		}
		l.item(fmt.Sprintf("%s on %s: %s", f.what, listed(kernels, mailKernels), mailed(f.why)))
	}
}
