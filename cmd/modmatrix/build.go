package main

import (
	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
)

func buildCommand(a *app) *cobra.Command {
	var s specFlags
	cmd := s.plans(&cobra.Command{
		Use:   "build [MODULE]",
		Short: "Only build the module against every kernel",
		Long: `Build does what run does, up to the build: it boots nothing. The results are of the same form, and a module that
was built, and whose .ko is proven to be for that kernel, is a PASS. It takes the flags of run; suites and guests it has none.`,
		Example: `  modmatrix build
  modmatrix build -k debian:trixie-backports --json drv`,
	}, func(cmd *cobra.Command, args []string, spec harness.Spec) error {
		spec.BuildOnly, spec.Suites = true, []string{harness.Lifecycle}
		spec.Asked = asked(cmd, args, spec)
		return a.carryOut(cmd.Context(), spec)
	})
	s.ofRun(cmd)
	return cmd
}
