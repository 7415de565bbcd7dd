package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/rehearse"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/mainline"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

// rehearsalDir is where patches are left, where nobody names another folder for them.
const rehearsalDir = "modmatrix-rehearsal"

func rehearseCommand(a *app) *cobra.Command {
	var s specFlags
	var r rehearse.Request
	var tree *kernels.Selector
	var split, measured string
	cmd := s.verb("rehearse", func(cmd *cobra.Command, _ []string, spec harness.Spec) error {
		if tree == nil || r.Into == "" {
			return usage("rehearse needs --into DIR and --tree git:PATH@REV or tar:FILE; see modmatrix rehearse --help")
		}
		switch split {
		case "none":
		case "folder":
			r.Plan = []mainline.Part{mainline.SplitByFolder}
		default:
			return usage("--split %q: it is none or folder", split)
		}
		r.Spec, r.Tree, r.Out = spec, *tree, cmp.Or(r.Out, rehearsalDir)
		found, err := a.measured(measured)
		if err != nil {
			return err
		}
		r.Cover = coverOf(found, measured != "")
		return a.rehearse(cmd.Context(), r)
	})
	f := cmd.Flags()
	f.StringVar(&r.Into, "into", "", "`DIR` of the kernel's tree that the module goes into, such as drivers/misc")
	f.Func("tree", "`SELECTOR` of the kernel's source: git:PATH@REV or tar:FILE", parsedInto(&tree))
	f.StringVar(&split, "split", "none", "`HOW` the patches are split: none, one patch; folder, one for each folder of the module")
	f.StringVar(&measured, "results", "", "`RESULTS` for the cover letter, a folder or a file (default "+harness.OutName+", where it is of this source)")
	f.StringVarP(&r.Out, "output", "o", "", "`DIR` for the patches (default "+rehearsalDir+")")
	f.BoolVar(&s.Offline, "offline", false, "never touch the network")
	s.trusts(cmd)
	return cmd
}

// coverOf is what a cover letter says of the tests; nil where there were none of the module, unless they were asked for.
func coverOf(found *results.Results, askedFor bool) func(io.Writer, results.Module) error {
	if found == nil {
		return nil
	}
	return func(w io.Writer, m results.Module) error {
		if found.Module.SourceDigest != m.SourceDigest {
			if askedFor {
				return &harness.UsageError{Err: errors.New("the results are of another source: modmatrix run again")}
			}
			fmt.Fprintln(w, "TODO: this source was not tested yet: modmatrix run")
			return nil
		}
		return report.Mail(w, &results.Collection{Module: found.Module, Own: found}, report.Whole{})
	}
}

func (a *app) rehearse(ctx context.Context, r rehearse.Request) error {
	b := a.busyWith("rehearsing")
	r.Progress = func(p kernels.Progress) { b.with(p.What) }
	h, err := a.harness(silence)
	if err != nil {
		b.done()
		return err
	}
	made, err := rehearse.Run(ctx, h, r)
	b.done()
	if err != nil {
		return err
	}
	if a.json {
		return a.encode(made)
	}
	a.showRehearsal(made)
	return nil
}

// showRehearsal writes what was made, what the kernel's scripts say of it, and what is left to do.
func (a *app) showRehearsal(m *rehearse.Rehearsal) {
	w := a.Stdout
	fmt.Fprintf(w, "%s in %s of linux %s\n\n", results.Plain(m.Module.Name), m.Into, m.Release)
	for _, p := range m.Patches {
		fmt.Fprintf(w, "  %s  %s\n", results.Plain(fromHere(filepath.Join(m.Out, p.Name))), results.Plural(len(p.Files), "file"))
	}
	for _, o := range m.Options {
		fmt.Fprintf(w, "\n  CONFIG_%s\n", o.Name)
		needsOf(w, "depends on", o.Depends)
		needsOf(w, "selects", o.Selects)
	}
	for _, c := range m.Copies {
		fmt.Fprintf(w, "\nin the tree already: %s in %s; newer: %s (%s)\n", results.Plain(c.Module), c.Folder, c.Newer, results.Plain(c.Why))
		for _, f := range c.Files {
			fmt.Fprintf(w, "  %s: %d lines only here, %d only in the tree's %s\n", results.Plain(cmp.Or(f.Ours, "-")), f.Added, f.Gone, results.Plain(cmp.Or(f.Theirs, "-")))
		}
	}
	counted := map[results.Level]int{}
	for _, f := range m.Review.Findings {
		counted[f.Level]++
	}
	fmt.Fprintf(w, "\ncheckpatch --strict: %s, %s, %s\n", results.Plural(counted[results.LevelError], "error"), results.Plural(counted[results.LevelWarning], "warning"), results.Plural(counted[results.LevelNote], "check"))
	for _, f := range m.Review.Findings {
		if f.Level == results.LevelError || a.verbose {
			fmt.Fprintf(w, "  %s\n", results.Plain(fmt.Sprintf("%s: %s %s: %s", f.Where, f.Level, f.Kind, f.Message)))
		}
	}
	fmt.Fprintln(w, "\nwhom get_maintainer names (nothing is sent):")
	for _, who := range m.Review.Maintainers {
		fmt.Fprintln(w, "  "+results.Plain(who))
	}
	if len(m.Left) > 0 {
		fmt.Fprintf(w, "\nnot in the patches: %s\n", results.Plain(strings.Join(m.Left, " ")))
	}
	fmt.Fprintln(w, "\nleft to do by hand:")
	for _, t := range m.Todo {
		fmt.Fprintln(w, "  "+results.Plain(t.String()))
	}
	fmt.Fprintln(w, "  each patch: say why the driver is wanted, and sign it off (git am -s)")
}

func needsOf(w io.Writer, word string, all []mainline.Need) {
	for _, n := range all {
		fmt.Fprintf(w, "    %s %s, for %s of %s\n", word, n.Option, results.Plain(n.Symbol), n.File)
	}
}
