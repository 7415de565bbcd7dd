package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// mailDevices is how many devices have a row of their own.
const mailDevices = 12

// testers is the part about those who tested beside the author.
func (l *letter) testers(c *results.Collection) {
	count := c.Tally
	n := count.Trusted + count.Unknown
	left := uncounted(c)
	if n == 0 && left == "" {
		return
	}
	l.heading("Testers")
	if n == 0 {
		l.lines("", "", "None whose results count. "+left)
		return
	}
	text := results.Plural(n, "tester") + " sent signed results for this source"
	switch {
	case count.Unknown == 0 && n == 1:
		text += ", with a key that the author knows"
	case count.Unknown == 0:
		text += ", all with keys that the author knows"
	case count.Trusted == 0 && n == 1:
		text += ", with a key that the author does not know"
	case count.Trusted == 0:
		text += ", none with a key that the author knows"
	case count.Trusted == 1:
		text += ", 1 of them with a key that the author knows"
	default:
		text += fmt.Sprintf(", %d of them with keys that the author knows", count.Trusted)
	}
	l.lines("", "", text+". It "+outcome(count)+". "+left)
	if view := deviceTable(c); len(view) > 1 {
		l.table(view)
	}
	l.seriesTables("Kernels on which it works for them, out of those tried, by series:", testersMatrix(c))
	l.failures("Failures for testers", testerFailures(c))
}

// outcome says for how many testers the module works.
func outcome(count results.Tally) string {
	var texts []string
	if count.Works > 0 || count.Fails == 0 && count.Neither == 0 {
		texts = append(texts, fmt.Sprintf("works for %d", count.Works))
	}
	if count.Fails > 0 {
		texts = append(texts, fmt.Sprintf("fails for %d", count.Fails))
	}
	if count.Neither > 0 {
		texts = append(texts, fmt.Sprintf("gave no answer for %d", count.Neither))
	}
	last := len(texts) - 1
	return strings.TrimPrefix(strings.Join(texts[:last], ", ")+" and "+texts[last], " and ")
}

// uncounted says what was sent and does not count.
func uncounted(c *results.Collection) string {
	var texts []string
	for _, u := range []struct {
		use  results.Use
		what string
	}{{results.UseSource, "for another source"}, {results.UseUnsigned, "without a signature"}, {results.UseRefused, "that cannot be believed"}} {
		if n := c.Tally.Files[u.use]; n > 0 {
			texts = append(texts, results.Plural(n, "result")+" "+u.what)
		}
	}
	text := ""
	if len(texts) > 0 {
		text = "Not counted: " + strings.Join(texts, ", ") + "."
	}
	if n := len(c.Conflicts); n > 0 {
		text = strings.TrimSpace(fmt.Sprintf("%s Left out: %s of which a tester's results contradict each other.", text, results.Plural(n, "verdict")))
	}
	return text
}

// testersMatrix has one cell for each kernel that testers had: the worst of theirs.
func testersMatrix(c *results.Collection) results.Matrix {
	var all results.Results
	for _, k := range c.Kernels() {
		var worst results.Record
		for _, t := range c.Testers {
			for _, rec := range t.Records {
				if results.On([]results.Record{rec}, k) != "" && rec.Status.Worse(worst.Status) != worst.Status {
					worst = rec
				}
			}
		}
		if worst.Status != "" {
			worst.Target, worst.Suite = k, ""
			all.Records = append(all.Records, worst)
		}
	}
	return all.Matrix()
}

// deviceTable has a row for each device that testers had.
func deviceTable(c *results.Collection) [][]string {
	view := [][]string{{"device", "testers", "kernels", "works", "fails"}}
	devices := c.Devices()
	for i, d := range devices {
		if left := len(devices) - i; i == mailDevices-1 && left > 1 {
			return append(view, []string{fmt.Sprintf("and %d more", left), "", "", "", ""})
		}
		testers, works, fails, kernels := 0, 0, 0, map[string]bool{}
		for _, t := range c.Testers {
			mine := slices.DeleteFunc(slices.Clone(t.Records), func(rec results.Record) bool { return !slices.Contains(rec.RealDevices(), d) })
			if len(mine) == 0 {
				continue
			}
			testers++
			for _, rec := range mine {
				kernels[rec.Target.Label()] = true
			}
			switch (results.Tester{Records: mine}).Answer() {
			case results.Pass:
				works++
			case results.Fail:
				fails++
			}
		}
		view = append(view, []string{label(d.Bus + " " + d.ID), fmt.Sprint(testers), fmt.Sprint(len(kernels)), fmt.Sprint(works), fmt.Sprint(fails)})
	}
	return view
}

// testerFailures are the causes of all testers, each with how many it struck.
func testerFailures(c *results.Collection) (all []failure) {
	type struck struct {
		tester int
		rec    results.Record
	}
	var bad []struck
	for i, t := range c.Testers {
		for _, rec := range t.Records {
			if rec.Status == results.Fail {
				bad = append(bad, struck{i, rec})
			}
		}
	}
	for _, same := range grouped(bad, func(s struck) [5]string { return causeOf(s.rec) }) {
		testers, devices := map[int]bool{}, []string{}
		f := failure{why: same[0].rec.Why()}
		for _, s := range same {
			testers[s.tester] = true
			for _, d := range s.rec.RealDevices() {
				if !slices.Contains(devices, mailed(d.ID)) {
					devices = append(devices, mailed(d.ID))
				}
			}
			if label := s.rec.Target.Label(); !slices.Contains(f.kernels, label) {
				f.kernels = append(f.kernels, label)
			}
		}
		f.what = verb(same[0].rec) + " for " + results.Plural(len(testers), "tester")
		if len(devices) > 0 {
			f.what += " with " + listed(devices, mailKernels)
		}
		all = addFailure(all, f)
	}
	return all
}
