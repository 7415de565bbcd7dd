package agreement

import (
	"os"
	"time"

	"github.com/spf13/cobra"
)

// defaultKernels are one of each series that Debian builds, and 6.12 with the tools of two releases.
var defaultKernels = []string{"debian:bullseye", "debian:bookworm", "debian:bookworm-backports", "debian:trixie", "debian:trixie-backports@7.2", "debian:trixie-backports"}

// Command compares; say reports its progress.
func Command(say func(format string, args ...any)) *cobra.Command {
	o := Options{Say: say}
	cmd := &cobra.Command{
		Use:   "agreement [PACKAGE[/SUITE]…]",
		Short: "Compare the verdicts of modmatrix and dkms on the -dkms packages of Debian",
		Long: "Compare the verdicts of modmatrix and dkms on the -dkms packages of Debian.\n\n" +
			"Without PACKAGE, a list of packages that are small and of all kinds. Verdicts are kept in the store, those of modmatrix until this program changes.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Packages = args
			_, err := Compare(cmd.Context(), os.Stdout, o)
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.Kernels, "kernel", "k", defaultKernels, "`SELECTOR` of kernels of Debian; may be repeated")
	f.StringVarP(&o.Suite, "suite", "s", "trixie", "`SUITE` of packages that name none")
	f.StringVar(&o.DKMS, "dkms", "trixie", "`SUITE` that dkms is from")
	f.StringVarP(&o.Output, "output", "o", "", "`FILE` for all of it as JSON")
	f.IntVarP(&o.Jobs, "jobs", "j", 2, "`N` compilers at once in each build")
	f.IntVar(&o.Pairs, "pairs", 0, "time `N` further builds of each cell on both sides, in turn")
	f.DurationVar(&o.Timeout, "timeout", 15*time.Minute, "`TIME` for one build of either side")
	return cmd
}

// DocumentCommand writes the tables of a document anew from what runs left.
func DocumentCommand() *cobra.Command {
	d := document{}
	cmd := &cobra.Command{
		Use:   "document RESULTS…",
		Short: "Write both tables of a document anew: results.json of runs of packages, the latest record of a cell last, and what was compared",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return d.write(os.Stdout, args) },
	}
	cmd.Flags().StringVar(&d.into, "into", "", "`FILE` in which the tables are replaced; without, they are shown")
	cmd.Flags().StringArrayVar(&d.reports, "compared", nil, "`FILE` that agreement --output wrote; may be repeated, and the last one with a cell counts")
	return cmd
}
