package main

import (
	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

func checkCommand(a *app) *cobra.Command {
	var s specFlags
	cmd := s.verb("check", func(cmd *cobra.Command, args []string, spec harness.Spec) error {
		spec.BuildOnly, spec.Suites = true, []string{results.Checks}
		spec.Asked = asked(cmd, args, spec)
		return a.carryOut(cmd.Context(), spec)
	})
	s.whichKernels(cmd)
	s.whichArchs(cmd)
	s.ofOutput(cmd)
	return cmd
}
