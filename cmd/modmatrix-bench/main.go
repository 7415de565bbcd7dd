// Command modmatrix-bench holds modmatrix to its budgets: it measures both sides of every ratio in one run and writes a table,
// it soaks clones, and it compares verdicts with those of Debian's own dkms. It uses the product through what the product
// exports, and must never know a faster or better way to do a thing than the product does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/agreement"
)

func main() { os.Exit(run()) }

// run returns the exit code: 0 all was measured, 1 a deviation in a soak or a difference from dkms, 3 something broke,
// 130 interrupted.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	temp, err := privateTemp()
	if err == nil {
		defer os.RemoveAll(temp)
		err = rootCommand(temp).ExecuteContext(ctx)
	}
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		return 130
	}
	fmt.Fprintln(os.Stderr, "modmatrix-bench:", err)
	if errors.As(err, new(deviation)) || errors.As(err, new(agreement.Difference)) {
		return 1
	}
	return 3
}

// privateTemp makes the temporary folder of this process and of all that it starts, so that leftovers show.
func privateTemp() (string, error) {
	dir, err := os.MkdirTemp("", "modmatrix-bench-")
	if err != nil {
		return "", err
	}
	return dir, os.Setenv("TMPDIR", dir)
}

func rootCommand(temp string) *cobra.Command {
	b := &bench{temp: temp, say: say}
	root := &cobra.Command{
		Use:           "modmatrix-bench",
		Short:         "Measure what modmatrix costs, beside what it must not cost",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context(), os.Stdout) },
	}
	f := root.Flags()
	f.StringArrayVarP(&b.selectors, "kernel", "k", nil, "`SELECTOR` of a kernel of Debian; may be repeated (default: the newest of each series, in the small flavour)")
	f.StringArrayVar(&b.only, "only", nil, fmt.Sprintf("measure only this `PART` of %v; may be repeated", partNames()))
	f.StringVarP(&b.out, "output", "o", "", "`FILE` for the figures as JSON")
	f.IntVarP(&b.pairs, "pairs", "n", 3, "`N` pairs of measurements; the median counts")
	root.AddCommand(soakCommand(temp), agreement.Command(say), agreement.DocumentCommand())
	return root
}

func soakCommand(temp string) *cobra.Command {
	s := &soak{temp: temp, say: say}
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Run many clones of one template, in a row and at once: all must get the same verdict",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context(), os.Stdout) },
	}
	f := cmd.Flags()
	f.StringVarP(&s.selector, "kernel", "k", "debian:bookworm/cloud-amd64", "`SELECTOR` of the kernel")
	f.StringVar(&s.focus, "focus", "is loaded and live|loads again", "run the specs that `REGEXP` matches: clones are soaked here, not the driver; empty for all")
	f.IntVar(&s.row, "row", 200, "`N` clones in a row")
	f.IntVar(&s.atOnce, "at-once", 16, "`N` clones at once")
	f.IntVar(&s.memoryMiB, "memory", 2048, "`MIB` that all guests at once may use together")
	return cmd
}

// say reports progress on stderr; results are on stdout.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
