package report

import (
	"github.com/modmatrix/modmatrix/results"
)

// htmlCheck is a row of the table of static checks.
type htmlCheck struct {
	Name, Class, Mark, Word, Text, Kernels, Tool string
}

// htmlChecks are what the static checks came to, and their findings; empty where there are none.
func htmlChecks(m results.Matrix) (rows []htmlCheck, found []htmlField) {
	for _, o := range checkOutcomes(m) {
		rows = append(rows, htmlCheck{o.name, string(o.status), marks[o.status], o.word(), o.text, onKernels(m, o.kernels), o.tool})
	}
	for _, f := range checkFindings(m) {
		field := htmlField{Class: string(f.Level), Text: f.line()}
		if f.New {
			field.Mark = "new"
		}
		if len(f.kernels) < len(m.Rows) {
			field.Text += " on " + onKernels(m, f.kernels)
		}
		found = append(found, field)
	}
	return rows, found
}
