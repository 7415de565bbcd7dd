package agreement

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultPackages are of all kinds in Debian's main: by files, Makefiles, patches and kernels. Those that take long come last.
var defaultPackages = []string{
	"acpi-call-dkms", "bbswitch-dkms", "vpoll-dkms", "leds-alix-dkms", "langford-dkms", "librem-ec-acpi-dkms", "vhba-dkms",
	"lime-forensics-dkms", "mstflint-dkms", "ddcci-dkms", "v4l2loopback-dkms", "nat-rtsp-dkms/bookworm", "adv-17v35x-dkms/bookworm",
	"dkms-test-dkms", "dm-writeboost-dkms", "tp-smapi-dkms", "rapiddisk-dkms", "reform2-lpc-dkms", "dpdk-kmods-dkms",
	"lenovolegionlinux-dkms", "xtrx-dkms", "digimend-dkms", "openrazer-driver-dkms", "evdi-dkms", "v4l2loopback-dkms/bookworm",
	"gost-crypto-dkms", "rtpengine-kernel-dkms", "smifb2-dkms", "openvpn-dco-dkms", "iptables-netflow-dkms", "west-chamber-dkms",
	"xtables-addons-dkms", "apfs-dkms", "jool-dkms", "falcosecurity-scap-dkms", "dahdi-dkms", "lttng-modules-dkms",
}

type named struct{ name, suite string }

var goodName = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]+)(?:/([a-z][a-z0-9-]*))?$`)

// parseNames reads NAME or NAME/SUITE, as apt has it.
func parseNames(words []string, suite string) (all []named, err error) {
	for _, word := range words {
		m := goodName.FindStringSubmatch(word)
		if m == nil {
			return nil, fmt.Errorf("%q is no package: write NAME or NAME/SUITE", word)
		}
		all = append(all, named{m[1], cmp.Or(m[2], suite)})
	}
	return all, nil
}

var (
	// errorLine is the form in which compilers, modpost, make, patch, sh and dkms itself report an error.
	errorLine = regexp.MustCompile(`(?i)(^|[^a-z_])(fatal )?error[:!]|undefined!$|\*\*\* |: (command )?not found$|No such file or directory|FAILED --|^ERROR`)
	// warning looks like one and decides nothing.
	warning     = regexp.MustCompile(`(?i)^warning|warning:`)
	buildFolder = regexp.MustCompile(`/var/lib/dkms/[^/ ]+/[^/ ]+/build/`)
)

// firstError is the line with which a failed dkms build began to fail: in the build's log, else in the output of dkms.
func firstError(log []byte, output string) string {
	for _, text := range []string{string(log), output} {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if errorLine.MatchString(line) && !warning.MatchString(line) && !strings.HasPrefix(line, "#") {
				return shorten(line)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return shorten(lines[len(lines)-1])
}

// shorten makes one line of at most 200 characters, without the folders that are the same in every build.
func shorten(line string) string {
	line = strings.Join(strings.Fields(strings.ToValidUTF8(line, "?")), " ")
	line = buildFolder.ReplaceAllString(line, "")
	if runes := []rune(line); len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return line
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return shorten(line)
}

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
		Use:   "document [RESULTS…]",
		Short: "Write tables of a document anew: results.json of runs of packages, the latest record of a cell last, and what was compared",
		Args:  cobra.ArbitraryArgs,
		RunE:  func(cmd *cobra.Command, args []string) error { return d.write(os.Stdout, args) },
	}
	cmd.Flags().StringVar(&d.into, "into", "", "`FILE` in which the tables are replaced; without, they are shown")
	cmd.Flags().StringArrayVar(&d.reports, "compared", nil, "`FILE` that agreement --output wrote; may be repeated, and the last one with a cell counts")
	cmd.Flags().StringArrayVar(&d.archs, "architectures", nil, "the same of kernels of other architectures, which have a table of their own, with each reason")
	return cmd
}
