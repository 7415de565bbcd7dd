package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/modmatrix/modmatrix/results"
)

// Columns writes rows aligned, each behind indent. Every text is shown as results.Plain has it.
func Columns(w io.Writer, indent string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		var texts []string
		for _, text := range row {
			texts = append(texts, results.Plain(text))
		}
		fmt.Fprintln(t, indent+strings.Join(texts, "\t"))
	}
	return t.Flush()
}

// Planned is one kernel of a plan. Arch is empty where it is not known.
type Planned struct{ Kernel, Arch, From, Download string }

// Plan writes what a run of cells would do.
func Plan(w io.Writer, module string, cells []results.Cell, kernels []Planned) error {
	var suites []string
	archs := map[string]bool{}
	rows := [][]string{{"KERNEL", "FROM", "DOWNLOAD"}}
	for _, k := range kernels {
		if k.Arch != "" {
			archs[k.Arch] = true
		}
		rows = append(rows, []string{k.Kernel, k.From, k.Download})
	}
	for _, c := range cells[:len(cells)/max(len(kernels), 1)] { // those of the first kernel
		suites = append(suites, c.Suite)
	}
	fmt.Fprintf(w, "%s · %s: %s\n\n", results.Plain(module), results.Plural(len(cells), "cell"), size(len(kernels), len(archs), suites))
	return Columns(w, "  ", rows)
}

// Checks writes what doctor found.
func Checks(w io.Writer, checks []results.Check) error {
	var rows [][]string
	for _, c := range checks {
		mark := "ok"
		if !c.OK {
			mark = "MISSING"
		}
		rows = append(rows, []string{c.Name, mark, c.Text})
		if c.Cure != "" {
			rows = append(rows, []string{"", "", "→ " + c.Cure})
		}
	}
	return Columns(w, "  ", rows)
}
