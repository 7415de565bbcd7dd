package main

import (
	"embed"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/results/report"
)

//go:embed help
var helpTexts embed.FS // a file for each verb: its usage, what it does in a line and in full, and behind "Examples:" how it is used

// verb is the command that the file NAME.txt describes. It takes an argument for each "[" in the line that says how it is called.
func verb(name string, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	text, err := helpTexts.ReadFile("help/" + name + ".txt")
	if err != nil {
		panic(err) // built without it
	}
	about, examples, _ := strings.Cut(string(text), "\nExamples:\n")
	use, about, _ := strings.Cut(about, "\n")
	short, long, _ := strings.Cut(about, "\n")
	return &cobra.Command{Use: use, Short: short, Long: strings.TrimSpace(long), Example: strings.TrimSuffix(examples, "\n"),
		Args: atMost(strings.Count(use, "[")), RunE: run}
}

// group is a command that does nothing but hold others: a user who names none of them learns what there are.
func group(name, what string, verbs ...*cobra.Command) *cobra.Command {
	cmd := verb(name, nil)
	cmd.Args = noVerb
	var names []string
	for _, v := range verbs {
		cmd.AddCommand(v)
		names = append(names, v.Name())
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		last := len(names) - 1
		return usage("%s needs a %s: %s or %s", name, what, strings.Join(names[:last], ", "), names[last])
	}
	return cmd
}

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
	cmd := verb("help", func(cmd *cobra.Command, args []string) error {
		about, rest, err := cmd.Root().Find(args)
		if err != nil {
			return usage("%w", err)
		}
		if err := noVerb(about, rest); err != nil {
			return err
		}
		return about.Help()
	})
	cmd.Args = nil
	return cmd
}
