package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/bisect"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func bisectCommand(a *app) *cobra.Command {
	var s specFlags
	var search bisect.Search
	cmd := s.plans(&cobra.Command{
		Use:   "bisect [MODULE]",
		Short: "Find the first release on which the module fails",
		Long: `Bisect halves the releases that the archive still holds between a kernel on which the module works and a newer one on
which it does not, until nothing is left between them. Where it fails to build, nothing is booted.

The ends are those of the last run in the folder of results: the oldest kernel that failed, and the newest before it
that passed. Else they are --good and --bad, and where one is not given, the oldest and the newest of the kernels that run
would take (-k names others). Releases of which the archive holds only a part cannot be tested: where they lie just before the first bad one, the
answer is a range.

Exit codes: 0 found, or as near as the archive allows; 2 usage, as where --good fails; 3 the infrastructure broke on a
release that would have narrowed it down; 4 nothing fails, or everything; 125 an end cannot be tested, which git bisect run takes
for "skip"; 130 interrupted. The results of every kernel that was tested lie below bisect/ in the folder of results.`,
		Example: `  modmatrix bisect
  modmatrix bisect --good debian:bookworm --bad debian:trixie drv
  modmatrix bisect -k debian:all          # between the oldest and the newest that there is`,
	}, func(cmd *cobra.Command, _ []string, spec harness.Spec) error {
		search.Spec = spec
		return a.bisect(cmd.Context(), search)
	})
	f := cmd.Flags()
	f.Func("good", "`SELECTOR` of a kernel on which the module works", parsedInto(&search.Good))
	f.Func("bad", "`SELECTOR` of a newer one on which it does not", parsedInto(&search.Bad))
	s.ofRun(cmd)
	return cmd
}

// parsedInto returns what takes the value of a flag that is a selector.
func parsedInto(to **kernels.Selector) func(string) error {
	return func(text string) error {
		*to = new(kernels.Selector)
		return (*to).UnmarshalText([]byte(text))
	}
}

func (a *app) bisect(ctx context.Context, search bisect.Search) error {
	if !a.quiet {
		search.Report = func(s results.Step) { fmt.Fprintln(a.Stderr, report.Step(s)) }
	}
	var found *results.Bisection
	err := a.watched(a.watchSteps(), func(h *harness.Harness) (err error) {
		found, err = bisect.Find(ctx, h, search)
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		err = a.encode(found)
	} else {
		err = report.Bisection(a.Stdout, found, search.Spec.Module)
	}
	if err != nil {
		return fmt.Errorf("show what was found: %w", err)
	}
	if found.Broke() {
		return verdict(exitTrouble)
	}
	return nil
}
