// Command modmatrix-agreement asks Debian's own dkms what modmatrix is asked: does this package build for this kernel? Both
// answer in the same root with the same tree, cell by cell, and every cell in which they differ is shown with its reason.
//
// It asks the product through what the product exports, and must never know a better way to come to a verdict than it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run gives the exit code: 0 both agree or differ as is known, 1 a difference is not known, 3 something broke, 130 interrupted.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		return 130
	}
	fmt.Fprintln(os.Stderr, "modmatrix-agreement:", err)
	if errors.As(err, new(difference)) {
		return 1
	}
	return 3
}

// defaultKernels are one of each series that Debian builds, and 6.12 with the tools of two releases.
var defaultKernels = []string{"debian:bullseye", "debian:bookworm", "debian:bookworm-backports", "debian:trixie", "debian:trixie-backports@7.2", "debian:trixie-backports"}

func command() *cobra.Command {
	c := comparison{say: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }}
	cmd := &cobra.Command{
		Use:   "modmatrix-agreement [PACKAGE[/SUITE]…]",
		Short: "Compare what modmatrix and dkms make of the -dkms packages of Debian",
		Long: "Compare what modmatrix and dkms make of the -dkms packages of Debian.\n\n" +
			"Without PACKAGE, a list of packages that are small and of all kinds. What was decided is kept in the store, ours until this program changes.",
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.names = args
			return c.run(cmd.Context(), os.Stdout)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&c.selectors, "kernel", "k", defaultKernels, "`SELECTOR` of kernels of Debian; may be repeated")
	f.StringVarP(&c.suite, "suite", "s", "trixie", "`SUITE` that packages come from which name none")
	f.StringVar(&c.dkms, "dkms", "trixie", "`SUITE` that dkms comes from")
	f.StringVarP(&c.out, "output", "o", "", "`FILE` for all of it as JSON")
	f.IntVarP(&c.jobs, "jobs", "j", 2, "`N` compilers at once in each build")
	f.IntVar(&c.pairs, "pairs", 0, "time `N` further builds of each cell on both sides, in turn")
	f.DurationVar(&c.timeout, "timeout", 15*time.Minute, "`TIME` for one build of either side")
	f.DurationVar(&c.within, "within", 0, "begin no further cell after this `TIME`; what is left out is told (default: no limit)")
	cmd.AddCommand(documentCommand())
	return cmd
}
