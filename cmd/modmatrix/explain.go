package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/harness/explain"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func explainCommand(a *app) *cobra.Command {
	var out string
	cmd := verb("explain", func(cmd *cobra.Command, args []string) error {
		return a.explain(cmd.Context(), cmp.Or(out, harness.OutName), args)
	})
	cmd.Long += "\n\n" + vocabulary()
	cmd.Flags().StringVarP(&out, "output", "o", "", "`DIR` of the results (default modmatrix-out)")
	return cmd
}

// vocabulary lists the words that a script may branch on. They are closed lists.
func vocabulary() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Statuses, the worst first: %s.\nStages, in order: %s.\nCodes:\n", strings.Trim(fmt.Sprint(results.Statuses), "[]"), strings.Trim(fmt.Sprint(results.Stages), "[]"))
	for _, c := range results.Codes {
		fmt.Fprintf(&text, "  %-18s %s\n", c, c.Meaning())
	}
	return strings.TrimSpace(text.String())
}

func (a *app) explain(ctx context.Context, path string, args []string) error {
	res, dir, err := a.findResults(path)
	if err != nil {
		return err
	}
	cells, err := chosenCells(res, args)
	if err != nil {
		return err
	}
	h, err := a.harness(silence)
	if err != nil {
		return err
	}
	found, err := explain.Cells(ctx, h.Sources(harness.Spec{Offline: true}), res, fromHere(dir), cells)
	if err != nil {
		return err
	}
	switch {
	case a.json:
		return a.encode(found)
	case len(found) == 0:
		fmt.Fprintf(a.Stdout, "every cell passed (%d); name one to see how: %s\n", len(res.Records), strings.Join(releasesOf(res), ", "))
	}
	width, _, _ := terminal(a.Stdout.file)
	return report.Explain(a.Stdout, found, width)
}

// chosenCells are the cells of a kernel, of one suite if one is named; without a kernel, all that did not pass.
func chosenCells(res *results.Results, args []string) ([]results.Cell, error) {
	var cells []results.Cell
	var suites []string // of the kernel
	for _, rec := range res.Records {
		c := results.Cell{Target: rec.Target.Label(), Suite: rec.Suite}
		switch {
		case len(args) == 0 && (rec.Status != results.Pass || inTreeFailed(rec)):
			cells = append(cells, c)
		case len(args) > 0 && slices.Contains([]string{c.Target, rec.Target.Release, rec.Target.Version}, args[0]):
			suites = append(suites, c.Suite)
			if len(args) < 2 || args[1] == c.Suite {
				cells = append(cells, c)
			}
		}
	}
	switch {
	case len(args) == 0 || len(cells) > 0:
		return cells, nil
	case len(suites) == 0:
		return nil, usage("no kernel %q in these results%s", args[0], config.Hint(args[0], releasesOf(res), "they have "+strings.Join(releasesOf(res), ", ")))
	}
	return nil, usage("no suite %q on %s%s", args[1], args[0], config.Hint(args[1], suites, "there are "+strings.Join(suites, ", ")))
}

// inTreeFailed reports whether it is a cell in which the kernel's own copy of the module did not pass, which is a finding and no failure.
func inTreeFailed(rec results.Record) bool {
	return rec.InTreeRun != nil && rec.InTreeRun.Record.Status != results.Pass && rec.InTreeRun.Record.Status != results.Skip
}

func releasesOf(res *results.Results) []string {
	var names []string
	for _, w := range res.Matrix().Rows {
		names = append(names, results.Plain(w.Target.Label()))
	}
	return slices.Compact(names)
}
