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
func findings(m results.Matrix) (found []finding) {
	var bad []results.Record
	for _, w := range m.Rows {
		for _, rec := range w.Cells {
			if rec.Status != results.Pass && rec.Status != results.Skip {
				bad = append(bad, rec)
			}
		}
	}
	for _, struck := range grouped(bad, causeOf) {
		f := finding{rec: struck[0]}
		for _, rec := range struck[1:] {
			if label := rec.Target.Label(); label != f.rec.Target.Label() && !slices.Contains(f.also, label) {
				f.also = append(f.also, label)
			}
		}
		found = append(found, f)
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		return slices.Index(results.Statuses, a.rec.Status) - slices.Index(results.Statuses, b.rec.Status)
	})
	return found
}

func causeOf(rec results.Record) [5]string {
	suite := rec.Suite
	if shared(rec) {
		suite = ""
	}
	return [5]string{string(rec.Status), string(rec.Stage), string(rec.Code), suite, rec.Reason}
}

// shared says whether the cell ended at something that all suites of its target share.
func shared(rec results.Record) bool {
	return stopped(rec, results.StageFetch, results.StageBuild) || rec.Code == results.CodeInterrupted
}

// heading is the finding in one line: where, and what.
func (f finding) heading() string {
	where := results.Plain(f.rec.Suite)
	if f.rec.Stage != results.StageTest && f.rec.Stage != results.StageCheck && stopped(f.rec, results.Stages...) || where == "" {
		where = strings.Trim(where+" "+string(f.rec.Stage), " ")
		if shared(f.rec) {
			where = string(f.rec.Stage)
		}
	}
	if where != "" {
		where = " · " + where
	}
	return results.Plain(f.rec.Target.Label()) + where + ": " + f.rec.Why()
}

// failed is the spec to look at, if it is a single one.
func (f finding) failed() (results.Spec, bool) {
	bad := slices.DeleteFunc(slices.Clone(f.rec.Specs), func(s results.Spec) bool { return s.Status != results.Fail })
	return append(bad, results.Spec{})[0], len(bad) == 1
}

// again is the command that runs the cell of the finding, and no other. What all suites share takes no suite.
func (f finding) again(asked results.Asked) string {
	words := asked.Command()
	if f.rec.Static() {
		words[1] = "check"
	}
	if k := f.rec.Target.Selector(); k != "" {
		words = append(words, "-k", k)
	}
	if s := f.rec.Suite; s != "" && !shared(f.rec) && !f.rec.Static() {
		words = append(words, "--suite", asked.Suite(s))
	}
	if f.rec.Static() { // it has no focus
	} else if spec, ok := f.failed(); ok {
		words = append(words, "--focus", regexp.QuoteMeta(spec.Name))
	} else if asked.Focus != "" && !shared(f.rec) {
		words = append(words, "--focus", asked.Focus)
	}
	return results.ShellLine(words...)
}

type firstBad struct {
	good, bad results.Row // the last that passed, and the first after it that failed
	kind      string      // of the series, where there are several
}

// firstBads finds, for each kind of kernels, the first that failed, if an older one passed and no newer one did.
func firstBads(m results.Matrix) (found []firstBad) {
	series := grouped(m.Rows, func(w results.Row) [3]string { return [3]string{w.Target.Arch, w.Target.Flavour, w.Target.Profile} })
	for _, rows := range series {
		for i := range rows {
			rows[i] = dynamic(rows[i])
		}
		if b, ok := firstBadOf(rows); ok {
			if len(series) > 1 {
				b.kind = strings.Trim(results.Plain(b.bad.Target.Flavour+"+"+b.bad.Target.Profile), "+")
				if len(m.Archs()) > 1 {
					b.kind = results.Plain(b.bad.Target.Variant())
				}
			}
			found = append(found, b)
		}
	}
	return found
}

// firstBadOf leaves alone a kernel that failed before any passed: it is too old for the module, which is another question.
func firstBadOf(rows []results.Row) (b firstBad, ok bool) {
	for _, w := range rows {
		switch s := w.Status(); {
		case s == results.Pass && ok:
			return firstBad{}, false
		case s == results.Pass:
			b.good = w
		case s == results.Fail && !ok && b.good.Cells != nil:
			b.bad, ok = w, true
		}
	}
	return b, ok && b.good.Target.Version != b.bad.Target.Version
}

// bisect is the command that finds the first bad release in between, empty where no archive holds any. It asks only for the
// suites that failed; where the module was not built the first has to be enough.
func (b firstBad) bisect(asked results.Asked) string {
	for _, end := range []results.Target{b.good.Target, b.bad.Target} {
		if end.Profile != "" || !strings.HasPrefix(end.Source, "debian:") {
			return ""
		}
	}
	words := asked.Command()
	words[1] = "bisect"
	words = append(words, "--good", b.good.Target.Selector(), "--bad", b.bad.Target.Selector())
	var suites []string
	for _, rec := range b.bad.Cells {
		if rec.Status == results.Fail && !shared(rec) {
			suites = append(suites, rec.Suite)
		}
	}
	if len(suites) == 0 {
		suites = []string{b.bad.Cells[0].Suite}
	}
	for _, s := range suites {
		words = append(words, "--suite", asked.Suite(s))
	}
	return results.ShellLine(words...)
}
