package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/results/report"
)

// helpWidth is how wide help is at most.
const helpWidth = 120

// fitHelp lets the help of every verb fit the terminal.
func fitHelp(root *cobra.Command, out *output) {
	width := helpWidth
	if w, _, ok := terminal(out.file); ok {
		width = min(width, w)
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", width)))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		text := cmd.Long
		if text == "" {
			text = cmd.Short
		}
		fmt.Fprintf(out, "%s\n\n%s", reflowed(text, width), cmd.UsageString())
	})
}

// reflowed breaks the paragraphs of text anew into lines of that width. One that has indented lines is a list, and stays.
func reflowed(text string, width int) string {
	var paragraphs []string
	for p := range strings.SplitSeq(text, "\n\n") {
		if !strings.Contains(p, "\n ") {
			p = report.Wrap(strings.ReplaceAll(p, "\n", " "), width, 0)
		}
		paragraphs = append(paragraphs, p)
	}
	return strings.Join(paragraphs, "\n\n")
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Example: "  modmatrix help kernels fetch",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usage("%w", err)
			}
			if err := noVerb(about, rest); err != nil {
				return err
			}
			return about.Help()
		},
	}
}
