package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func runCommand(a *app) *cobra.Command {
	var s specFlags
	cmd := s.verb("run", func(cmd *cobra.Command, args []string, spec harness.Spec) error {
		if spec.Resume && spec.New {
			return usage("--resume and --new exclude each other: --new also runs what is missing of an unfinished run")
		}
		spec.Asked = asked(cmd, args, spec)
		return a.carryOut(cmd.Context(), spec)
	})
	s.ofRun(cmd)
	s.earlierRun(cmd)
	s.evidenceOf(cmd)
	return cmd
}

// asked is the command line of a run of spec, with the flags that were given. What the configuration says stays there.
func asked(cmd *cobra.Command, args []string, spec harness.Spec) results.Asked {
	words := append([]string{cmd.Name()}, args...)
	for _, flag := range harness.SpecFlags() {
		if f := cmd.Flags().Lookup(flag.Name); flag.Again && f != nil && f.Changed {
			words = append(words, flagWords(f)...)
		}
	}
	how := results.Asked{Words: words, Focus: spec.Focus, Suites: map[string]string{}}
	for _, s := range spec.Suites {
		if name := suiteName(s); name != s {
			how.Suites[name] = s
		}
	}
	return how
}

func flagWords(f *pflag.Flag) (words []string) {
	name := "--" + f.Name
	if list, ok := f.Value.(pflag.SliceValue); ok {
		for _, value := range list.GetSlice() {
			words = append(words, name, value)
		}
		return words
	}
	switch value := f.Value.String(); {
	case f.Value.Type() != "bool":
		return []string{name, value}
	case value == "true":
		return []string{name}
	}
	return []string{name + "=false"}
}

func (a *app) carryOut(ctx context.Context, spec harness.Spec) error {
	if err := a.agree(ctx, &spec); err != nil {
		return err
	}
	began := time.Now()
	t, err := a.testimony(ctx, spec)
	if err != nil {
		return err
	}
	defer t.signer.Close()
	var res *results.Results
	w, finish := a.lastly(a.watch(ctx))
	err = a.planned(ctx, w, spec, func(h *harness.Harness, plan *harness.Plan) (err error) {
		res, err = h.Run(ctx, plan)
		return err
	})
	if res == nil {
		return err
	}
	defer finish()
	if errors.Is(err, context.Canceled) && !a.json && !a.quiet && !spec.BuildOnly {
		a.note("modmatrix run --resume continues from here")
	}
	if !a.json {
		_ = report.Text(a.Stdout, res, a.textOptions(spec.Out, time.Since(began))) // output remembers what could not be written
	}
	if err = cmp.Or(err, t.give(ctx, a, res, spec.Out, err == nil)); err != nil {
		return err
	}
	if noneInFocus(res, spec.Focus) {
		return fmt.Errorf("%w: --focus %q fits no spec that is for these kernels; specs.json beside each console has their names", harness.ErrNothingMatched, spec.Focus)
	}
	return verdict(res.ExitCode())
}

// noneInFocus says whether every suite was asked for specs that it does not have: to end as if they had passed would be a lie.
func noneInFocus(res *results.Results, focus string) bool {
	skipped := func(rec results.Record) bool { return rec.Status == results.Skip && rec.Stage == results.StageTest }
	return focus != "" && len(res.Records) > 0 && !slices.ContainsFunc(res.Records, func(rec results.Record) bool { return !skipped(rec) })
}

// textOptions are how this invocation shows a matrix on stdout, whose files lie in dir.
func (a *app) textOptions(dir string, elapsed time.Duration) report.Options {
	opt := report.Options{Color: a.coloured(a.Stdout.file), Dir: fromHere(dir), Elapsed: elapsed}
	if width, height, ok := terminal(a.Stdout.file); ok {
		opt.Width = width
		if !a.verbose {
			opt.Height = height
		}
	}
	return opt
}
