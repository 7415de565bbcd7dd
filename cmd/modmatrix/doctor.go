package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
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
			h, err := a.open(harness.Options{Tool: toolName()})
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
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	enc := json.NewEncoder(a.Stdout)
	well := true
	for _, c := range checks {
		well = well && c.OK
		if a.json {
			if err := enc.Encode(c); err != nil {
				return err
			}
			continue
		}
		mark := "ok"
		if !c.OK {
			mark = "MISSING"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", results.Plain(c.Name), mark, results.Plain(c.Text))
		if c.Cure != "" {
			fmt.Fprintf(w, "  \t\t→ %s\n", results.Plain(c.Cure))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !well {
		return verdict(exitUsage)
	}
	return nil
}
