package main

import (
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

// app is one invocation: its surroundings, and the flags that all verbs share.
type app struct {
	Env
	json    bool
	quiet   bool
	verbose bool
	color   string
}

func rootCommand(env Env) *cobra.Command {
	a := &app{Env: env}
	root := verb("modmatrix", func(cmd *cobra.Command, _ []string) error { return cmd.Help() })
	root.SilenceErrors, root.SilenceUsage, root.Args = true, true, noVerb
	root.SetArgs(env.Args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(flagError)
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "write JSON Lines to stdout instead of text")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress, only the result")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "show every step and every spec")
	f.StringVar(&a.color, "color", "auto", "`WHEN`: auto, always or never")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.check() }
	root.SetHelpCommand(helpCommand())
	fitHelp(root, env.Stdout)
	root.AddCommand(runCommand(a), planCommand(a), buildCommand(a), checkCommand(a), bisectCommand(a), rehearseCommand(a), kernelsCommand(a), cacheCommand(a), shellCommand(a),
		explainCommand(a), reportCommand(a), mergeCommand(a), diffCommand(a), historyCommand(a), verifyCommand(a), collectCommand(a), replyCommand(a), doctorCommand(a), initCommand(a), packageCommand(a), versionCommand(a), manCommand(a))
	root.AddCommand(bundleCommand(a), watchCommand(a))
	a.complete(root)
	return root
}

func (a *app) check() error {
	switch a.color {
	case "auto", "always", "never":
	default:
		return usage("--color %q: it is auto, always or never", a.color)
	}
	if a.quiet && a.verbose {
		return usage("-q and -v exclude each other")
	}
	return nil
}

// noVerb is for a command that only groups others: whatever is left is a verb that it does not have.
func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var verbs []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			verbs = append(verbs, c.Name())
		}
	}
	return usage("unknown command %q for %s%s", args[0], cmd.CommandPath(), config.Hint(args[0], verbs, "see "+cmd.CommandPath()+" --help"))
}

// flagError puts a mistake in the flags into one line with a cure.
func flagError(cmd *cobra.Command, err error) error {
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usage("%w; see %s --help", err, cmd.CommandPath())
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	word := "--" + missing.GetSpecifiedName()
	if short := missing.GetSpecifiedShortnames(); short != "" {
		word = "-" + missing.GetSpecifiedName()
	}
	return usage("unknown flag %s for %s%s", word, cmd.CommandPath(), config.Hint(word, known, "see "+cmd.CommandPath()+" --help"))
}

func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			takes := "at most " + results.Plural(n, "argument")
			if n == 0 {
				takes = "no argument"
			}
			return usage("%s takes %s; unexpected: %s", cmd.CommandPath(), takes, strings.Join(args[n:], " "))
		}
		return nil
	}
}

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
