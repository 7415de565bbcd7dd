package main

import (
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
	if !a.json {
		if err := report.Checks(a.Stdout, checks); err != nil {
			return err
		}
	}
	var code error
	for _, c := range checks {
		if a.json {
			if err := a.encode(c); err != nil {
				return err
			}
		}
		if !c.OK {
			code = verdict(exitUsage)
		}
	}
	return code
}
