package main

import (
	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

func buildCommand(a *app) *cobra.Command {
	var s specFlags
	cmd := s.verb("build", func(cmd *cobra.Command, args []string, spec harness.Spec) error {
		if len(spec.Prebuilt) > 0 {
			return usage("there is nothing to build of --prebuilt: modmatrix run loads it")
		}
		spec.BuildOnly, spec.Suites = true, []string{harness.Lifecycle}
		if spec.Checks {
			spec.Suites = append(spec.Suites, results.Checks)
		}
		spec.Asked = asked(cmd, args, spec)
		return a.carryOut(cmd.Context(), spec)
	})
	s.ofRun(cmd)
	return cmd
}
