package main

import (
	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func diffCommand(a *app) *cobra.Command {
	var format string
	cmd := verb("diff", func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usage("diff needs two results, the older ones first: folders, files, or - for stdin")
		}
		if format != "text" && format != "md" && format != "json" {
			return usage("--format %q: it is text, md or json", format)
		}
		return a.diff(args[0], args[1], format)
	})
	cmd.Args = cobra.ArbitraryArgs
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT`: text, md or json")
	return cmd
}

func (a *app) diff(oldPath, newPath, format string) error {
	old, _, err := a.findResults(oldPath)
	if err != nil {
		return err
	}
	now, _, err := a.findResults(newPath)
	if err != nil {
		return err
	}
	now.Since = results.Compare(old, now)
	if a.json || format == "json" {
		err = a.encode(now.Since)
	} else {
		err = report.Diff(a.Stdout, now, format == "md")
	}
	if err != nil {
		return err
	}
	return verdict(now.Since.ExitCode())
}
