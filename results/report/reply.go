package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// replyKernels is how many kernels have a line of their own in a reply.
const replyKernels = 20

// Reply writes what a tester sends to the list: what was tested, on what, and what came of it. It is ASCII of at most 72 columns,
// and nothing in it is taken for a trailer but the last line, which is there where testedBy names somebody and everything works.
func Reply(w io.Writer, r *results.Results, testedBy string, whole Whole) error {
	l := new(letter)
	m := r.Matrix()
	c := &results.Collection{Module: r.Module, Own: r}
	l.paragraph("I tested " + strings.TrimSpace(mailed(r.Module.Name)+" "+mailed(r.Module.Version)) + " " + replyOutcome(m))
	if len(m.Rows) > replyKernels {
		l.seriesTables("Kernels on which it works, out of those tried, by series:", m)
	} else if len(m.Rows) > 0 {
		l.gap()
		l.kernelLines(m)
	}
	l.gap()
	l.fact("Source", sourceFact(r.Module))
	l.fact("Machine", machineFact(r))
	l.fact("Devices", devicesFact(r))
	l.fact("Compilers", compilersFact(m.Rows))
	l.fact("Tool", mailed(toolOf(r.Run.Tool))+", "+r.Run.Started.UTC().Format("2006-01-02"))
	l.failures("Failures", failuresOf(m))
	if left := unanswered(m); len(left) > 0 {
		l.heading("Not tested")
		for _, text := range left {
			l.item(text)
		}
	}
	l.whole(whole)
	if line := trailer(testedBy, c.Own.Records); line != "" {
		l.gap()
		l.text.WriteString(line)
	}
	return l.writeTo(w)
}

func replyOutcome(m results.Matrix) string {
	count := countRows(m)
	pass, fail := count[results.Pass], count[results.Fail]
	if pass+fail == 0 {
		return "on " + results.Plural(len(m.Rows), "kernel") + ", and nothing came of it."
	}
	return "on " + results.Plural(pass+fail, "kernel") + ". " + outcomeOn("works", pass, fail)
}

// kernelLines has a line for each kernel: its name, whether the module works there, and how many tests of each suite passed.
func (l *letter) kernelLines(m results.Matrix) {
	var rows [][2]string
	wide := 0
	for _, w := range m.Rows {
		rows = append(rows, [2]string{label(strings.Replace(w.Target.Label(), "@", " ", 1)), replyWords[w.Status()]})
		for _, rec := range w.Cells {
			if n := len(rec.Specs); n > 0 {
				rows[len(rows)-1][1] += fmt.Sprintf(", %s %d/%d", mailed(rec.Suite), countSpecs(rec)[results.Pass], n)
			}
		}
		wide = max(wide, len(rows[len(rows)-1][0]))
	}
	for _, row := range rows {
		l.lines(fmt.Sprintf("  %-*s", wide+2, row[0]), strings.Repeat(" ", wide+4), row[1])
	}
}

var replyWords = map[results.Status]string{results.Pass: "works", results.Fail: "FAILS", results.Error: "no answer", results.Miss: "not run", results.Skip: "skipped"}

func machineFact(r *results.Results) string {
	text := mailed(r.Run.Host.Arch)
	if guests := guestsFact(r.Run.Host); guests != "" {
		text += "; guests in " + guests
	}
	for _, rec := range r.Records {
		if rec.Target.Source == "here" {
			return text + "; " + rowName(rec.Target) + " is the machine's own kernel, without a guest"
		}
	}
	return text
}

func devicesFact(r *results.Results) string {
	var texts []string
	seen := map[string]bool{}
	for _, d := range results.Devices(r.Records) {
		if !d.Own {
			continue
		}
		text := mailed(strings.TrimSpace(d.Bus + " " + d.ID))
		if d.Driver != "" {
			text += " (" + mailed(d.Driver) + ")"
		}
		if !seen[text] {
			texts = append(texts, text)
		}
		seen[text] = true
	}
	return listed(texts, mailDevices)
}
