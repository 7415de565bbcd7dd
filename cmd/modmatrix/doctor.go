package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func doctorCommand(a *app) *cobra.Command {
	return verb("doctor", func(cmd *cobra.Command, _ []string) error {
		h, err := a.harness(silence)
		if err != nil {
			return err
		}
		b := a.busyWith("looking")
		checks := h.Doctor(cmd.Context())
		b.done()
		return a.showChecks(checks)
	})
}

func (a *app) showChecks(checks []results.Check) error {
	for _, c := range checks {
		if a.json {
			_ = a.encode(c) // output remembers what could not be written
		}
	}
	if !a.json {
		_ = report.Checks(a.Stdout, checks)
	}
	if slices.ContainsFunc(checks, func(c results.Check) bool { return !c.OK }) {
		return verdict(exitUsage)
	}
	return nil
}
