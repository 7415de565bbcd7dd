package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// dynamic is w without the static checks: what became of the module's build and load, they do not say.
func dynamic(w results.Row) results.Row {
	w.Cells = slices.DeleteFunc(slices.Clone(w.Cells), results.Record.Static)
	return w
}

// withoutChecks is m without the static checks; of nothing else, it has no suite.
func withoutChecks(m results.Matrix) results.Matrix {
	rest := results.Matrix{Suites: slices.DeleteFunc(slices.Clone(m.Suites), func(s string) bool { return s == results.Checks })}
	for _, w := range m.Rows {
		if w = dynamic(w); len(w.Cells) > 0 {
			rest.Rows = append(rest.Rows, w)
		}
	}
	return rest
}

// checkRan says whether a static check gave an answer on some kernel.
func checkRan(m results.Matrix, name string) bool {
	return slices.ContainsFunc(checkOutcomes(m), func(o checkOutcome) bool { return o.name == name && answered(o.status) })
}

// checksFact is what the static checks came to, each by the worst of all kernels; empty where there were none.
func checksFact(m results.Matrix) string {
	var names []string
	worst := map[string]results.Status{}
	for _, o := range checkOutcomes(m) {
		if worst[o.name] == "" {
			names = append(names, o.name)
		}
		worst[o.name] = worst[o.name].Worse(o.status)
	}
	var parts []string
	for _, group := range []struct {
		words    string
		statuses []results.Status
	}{{"fail", []results.Status{results.Fail}}, {"pass", []results.Status{results.Pass}}, {"not run everywhere", []results.Status{results.Error, results.Miss}}} {
		var of []string
		for _, name := range names {
			if slices.Contains(group.statuses, worst[name]) {
				of = append(of, mailed(name))
			}
		}
		if len(of) > 0 {
			parts = append(parts, strings.Join(of, ", ")+" "+group.words)
		}
	}
	return strings.Join(parts, "; ")
}

// staticStatus is what the static checks came to on a kernel; empty where there were none.
func staticStatus(w results.Row) (s results.Status) {
	for _, rec := range w.Cells {
		if rec.Static() {
			s = s.Worse(rec.Status)
		}
	}
	return s
}

// allStatic says whether m has the static checks and nothing else.
func allStatic(m results.Matrix) bool {
	return !slices.ContainsFunc(m.Suites, func(s string) bool { return s != results.Checks })
}

// checkOutcome is what a static check came to on those kernels on which it came to the same.
type checkOutcome struct {
	name, tool string
	status     results.Status
	text       string
	kernels    []string
}

// checkOutcomes are those of every check, in the order of the checks.
func checkOutcomes(m results.Matrix) (all []checkOutcome) {
	var order []string
	for _, rec := range m.Records() {
		if !rec.Static() {
			continue
		}
		for _, s := range rec.Specs {
			if !slices.Contains(order, s.Name) {
				order = append(order, s.Name)
			}
			o := checkOutcome{results.Plain(s.Name), results.Plain(s.Tool), s.Status, checkText(s), []string{results.Plain(rec.Target.Label())}}
			i := slices.IndexFunc(all, func(have checkOutcome) bool {
				return have.name == o.name && have.status == o.status && have.text == o.text && have.tool == o.tool
			})
			if i < 0 {
				all = append(all, o)
			} else {
				all[i].kernels = append(all[i].kernels, o.kernels...)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b checkOutcome) int {
		return cmp.Compare(slices.Index(order, a.name), slices.Index(order, b.name))
	})
	return all
}

// checkText is what a static check came to in a line, with how much of it is new.
func checkText(s results.Spec) string {
	text, fresh := results.Plain(s.Message), 0
	for _, f := range s.Findings {
		if f.New {
			fresh++
		}
	}
	if fresh > 0 {
		text += fmt.Sprintf(" (%d new)", fresh)
	}
	return text
}

// word is the status of a check as a person reads it.
func (o checkOutcome) word() string {
	if o.status == results.Pass {
		return "ok"
	}
	return string(o.status)
}

// placed is a finding of a static check, with the kernels on which it was made.
type placedFinding struct {
	results.Finding
	check   string
	kernels []string
}

// line is the finding in one line.
func (f placedFinding) line() string {
	return strings.Trim(results.Plain(fmt.Sprintf("%s: %s: %s [%s %s]", f.Where, f.Level, f.Message, f.check, f.Kind)), ": ")
}

// checkFindings are the findings of all static checks, each once: new ones first, then the worst, then in the order of the files. Notes are
// counted, and listed only where they are new.
func checkFindings(m results.Matrix) (all []placedFinding) {
	at := map[placedKey]int{}
	for _, rec := range m.Records() {
		if !rec.Static() {
			continue
		}
		for _, s := range rec.Specs {
			for _, f := range s.Findings {
				key := placedKey{s.Name, f.Where, f.Kind, f.Message}
				i, there := at[key]
				if !there {
					i = len(all)
					at[key] = i
					all = append(all, placedFinding{Finding: f, check: s.Name})
				}
				all[i].New = all[i].New || f.New
				if label := results.Plain(rec.Target.Label()); !slices.Contains(all[i].kernels, label) {
					all[i].kernels = append(all[i].kernels, label)
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(f placedFinding) bool { return f.Level == results.LevelNote && !f.New })
	slices.SortStableFunc(all, func(a, b placedFinding) int {
		return cmp.Or(truth(b.New)-truth(a.New), slices.Index(results.Levels, a.Level)-slices.Index(results.Levels, b.Level))
	})
	return all
}

type placedKey struct{ check, where, kind, message string }

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// onKernels names kernels of m; all of them are not named.
func onKernels(m results.Matrix, kernels []string) string {
	switch {
	case len(kernels) == len(m.Rows) && len(kernels) > 1:
		return "every kernel"
	case len(kernels) > 3:
		return fmt.Sprintf("%s, %s and %d more", kernels[0], kernels[1], len(kernels)-2)
	}
	return strings.Join(kernels, ", ")
}

// checksListed bounds how many findings a text lists.
const checksListed = 40

// writeChecks writes what the static checks came to: a line for each, and then the findings.
func writeChecks(out io.Writer, m results.Matrix, opt Options) {
	all := checkOutcomes(m)
	if len(all) == 0 {
		return
	}
	rows := [][]string{{"CHECK", "", "", "KERNELS", "TOOL"}}
	for _, o := range all {
		rows = append(rows, []string{o.name, o.word(), o.text, onKernels(m, o.kernels), o.tool})
	}
	var table strings.Builder
	_ = Columns(&table, "", rows) // a strings.Builder takes it all
	fmt.Fprintln(out)
	for line := range strings.Lines(table.String()) {
		fmt.Fprintln(out, clip(strings.TrimRight(line, " \n"), opt.Width))
	}
	found, most := checkFindings(m), checksListed
	if opt.Height == 0 {
		most = len(found)
	}
	if len(found) > 0 {
		fmt.Fprintln(out)
	}
	for i, f := range found {
		if i == most {
			fmt.Fprintf(out, "+%d more: -v lists them, and so does modmatrix report html\n", len(found)-most)
			break
		}
		lead := "     "
		if f.New {
			lead = "new  "
		}
		text := lead + f.line()
		if len(f.kernels) < len(m.Rows) {
			text += " on " + onKernels(m, f.kernels)
		}
		fmt.Fprintln(out, Wrap(text, opt.Width-7, 7))
	}
}

// writeChecksMarkdown is writeChecks for a merge request.
func writeChecksMarkdown(out io.Writer, m results.Matrix) {
	all := checkOutcomes(m)
	if len(all) == 0 {
		return
	}
	fmt.Fprint(out, "\n| CHECK | | | KERNELS | TOOL |\n| --- | --- | --- | --- | --- |\n")
	for _, o := range all {
		word := o.word()
		if o.status == results.Fail {
			word = "**" + word + "**"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", cellCode(o.name), word, cellCode(o.text), cellCode(onKernels(m, o.kernels)), cellCode(o.tool))
	}
	found := checkFindings(m)
	for i, f := range found {
		if i == 0 {
			fmt.Fprintln(out)
		}
		if i == checksListed {
			fmt.Fprintf(out, "- +%d more\n", len(found)-i)
			break
		}
		lead := ""
		if f.New {
			lead = "**new** "
		}
		fmt.Fprintf(out, "- %s%s\n", lead, code(f.line()))
	}
}
