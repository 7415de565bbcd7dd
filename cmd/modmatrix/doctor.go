package main

import (
	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func doctorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check what this machine has of what a run needs",
		Long: `Doctor looks for the tools, tries the sandbox, asks which accelerator works, and looks at the disk. Each line is ok
or names the cure. The exit code is 0 if a run can work, and 2 if not.`,
		Example: "  modmatrix doctor",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.harness(silence)
			if err != nil {
				return err
			}
			b := a.busyWith("looking")
			checks := h.Doctor(cmd.Context())
			b.done()
			return a.showChecks(checks)
		},
	}
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
