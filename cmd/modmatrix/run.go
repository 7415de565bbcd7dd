package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

func runCommand(a *app) *cobra.Command {
	var s specFlags
	cmd := &cobra.Command{
		Use:   "run [MODULE]",
		Short: "Build, boot, load and test the module on every kernel",
		Long: `Run builds the module in the folder MODULE (default: this one) against every kernel, boots each of them, loads the
module, runs the suites and shows the matrix. Flags win over MODULE's modmatrix.toml; what neither says is the
default: the newest kernel of every Debian series, and the built-in suite lifecycle.

The folder of results holds results.json, matrix.md and the logs of every cell. With --json, every event is a line of
JSON on stdout, and the last one carries the results.

A run that was killed, interrupted, or cut short by the power can be gone on with: --resume, with the same arguments,
takes over what was judged (PASS, FAIL, SKIP) and runs the rest, which includes what was ERROR or MISS. It refuses where
the module, a suite, a kernel, an argument or this tool is not what it was; further kernels and suites may be added.

When a new kernel appeared, run --new runs what is new: the kernels that the selectors did not name in the recorded run, or
name in another build. All other records are kept as they were, with the run that they are of, and those of kernels
that no selector names any more too. Where nothing is new, it says so, and its exit code is that of the kept matrix.`,
		Example: `  modmatrix run
  modmatrix run -k debian:bookworm -k debian:trixie@6.12.43
  modmatrix run --resume                  # after it was killed or interrupted
  modmatrix run --new                     # after a new kernel appeared
  modmatrix run --suite suites/first --focus 'survives' --param debug=1 drv`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := s.spec(cmd, args)
			if err != nil {
				return err
			}
			if spec.Resume && spec.New {
				return usage("--resume and --new exclude each other: --new also runs what is missing of an unfinished run")
			}
			return a.carryOut(cmd.Context(), spec, again("run", args, s.Spec))
		},
	}
	s.whichKernels(cmd)
	s.whichSuites(cmd)
	s.whatToRun(cmd)
	s.output(cmd)
	f := cmd.Flags()
	f.BoolVar(&s.Resume, "resume", false, "go on with the run that the folder of results holds, after it was killed or interrupted")
	f.BoolVar(&s.New, "new", false, "run only the kernels that are not what they were in the run that the folder of results holds")
	f.BoolVar(&s.CompareInTree, "compare-in-tree", false, "where a kernel brings a module of that name itself, run the suites with its copy as well, and show both")
	f.IntVar(&s.Retries, "retries", 0, "`N` guests more for a cell that fails; it is flaky where one of them passes, and fails all the same")
	return cmd
}

// again is the beginning of the command that runs a cell of this run once more.
func again(verb string, args []string, flags harness.Spec) []string {
	words := append([]string{"modmatrix", verb}, args...)
	for _, p := range flags.Params {
		words = append(words, "--param", p)
	}
	for _, d := range flags.Devices {
		words = append(words, "--device", d)
	}
	for _, d := range flags.Depends {
		words = append(words, "--depends", d)
	}
	if flags.Isolate != "" {
		words = append(words, "--isolate", flags.Isolate)
	}
	for _, p := range flags.Plugs {
		words = append(words, "--plug", p)
	}
	if flags.RequireKVM {
		words = append(words, "--require-kvm")
	}
	if flags.Timeout != 0 {
		words = append(words, "--timeout", flags.Timeout.String())
	}
	return words
}

// carryOut plans, runs, and shows the matrix.
func (a *app) carryOut(ctx context.Context, spec harness.Spec, again []string) error {
	began := time.Now()
	w := a.watch(ctx)
	res, err := planAndRun(ctx, a, spec, w)
	w.close()
	if res == nil {
		return err
	}
	if errors.Is(err, context.Canceled) && !a.json && !a.quiet && !spec.BuildOnly {
		fmt.Fprintln(a.Stderr, "note  modmatrix run --resume goes on from here")
	}
	if !a.json {
		_ = results.Text(a.Stdout, res, a.textOptions(spec, again, time.Since(began))) // run tells of what could not be written
	}
	if err != nil {
		return err
	}
	return verdict(res.ExitCode())
}

func planAndRun(ctx context.Context, a *app, spec harness.Spec, w watcher) (*results.Results, error) {
	h, err := a.open(harness.Options{Events: w.event, Tool: toolName()})
	if err != nil {
		return nil, err
	}
	plan, err := h.Plan(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	return h.Run(ctx, plan)
}

// textOptions are how this invocation shows a matrix on stdout.
func (a *app) textOptions(spec harness.Spec, again []string, elapsed time.Duration) results.TextOptions {
	opt := results.TextOptions{Color: a.coloured(a.Stdout.file), Dir: spec.Out, Again: again, Focus: spec.Focus, Elapsed: elapsed, Suites: map[string]string{}}
	if width, _, ok := terminal(a.Stdout.file); ok {
		opt.Width = width
	}
	for _, s := range spec.Suites {
		opt.Suites[suiteName(s)] = s
	}
	return opt
}
