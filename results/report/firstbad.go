package report

import (
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

type firstBad struct {
	good, bad results.Row // the last that passed, and the first after it that failed
	kind      string      // of the series, where there are several
}

// firstBads finds, for each kind of kernels, the first that failed, if an older one passed and no newer one did.
func firstBads(m results.Matrix) (found []firstBad) {
	series := grouped(m.Rows, func(w results.Row) [3]string { return [3]string{w.Target.Arch, w.Target.Flavour, w.Target.Profile} })
	for _, rows := range series {
		if b, ok := firstBadOf(rows); ok {
			if len(series) > 1 {
				b.kind = strings.Trim(results.Plain(b.bad.Target.Flavour+"+"+b.bad.Target.Profile), "+")
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
