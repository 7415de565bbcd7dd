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
	cmd := s.verb("bisect", func(cmd *cobra.Command, _ []string, spec harness.Spec) error {
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
		err = report.Bisection(a.Stdout, found, givenAs(search.Spec)...)
	}
	if err != nil {
		return fmt.Errorf("show what was found: %w", err)
	}
	if found.Broke() {
		return verdict(exitTrouble)
	}
	return nil
}

// givenAs are the words that name what is tested.
func givenAs(spec harness.Spec) (words []string) {
	if spec.Module != "" {
		words = append(words, spec.Module)
	}
	for _, file := range spec.Prebuilt {
		words = append(words, "--prebuilt", file)
	}
	return words
}
