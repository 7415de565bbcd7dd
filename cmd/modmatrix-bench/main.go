// Command modmatrix-bench holds modmatrix to its budgets: it measures both sides of every ratio in one run and writes a table,
// it soaks clones, and it compares verdicts with those of Debian's own dkms. It uses the product through what the product
// exports, and must never know a faster or better way to do a thing than the product does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/agreement"
	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/vm"
)

type bench struct {
	temp      string
	selectors []string
	only      []string
	out       string
	pairs     int
	say       func(format string, args ...any)

	h      *harness.Harness
	source string // folder of this project
	driver string // folder of the example driver
	accel  vm.Accel
	rigs   []*rig
}

// part is one group of rows. What it cannot measure becomes a row with the reason, and an error.
type part struct {
	name, what string
	kernels    bool // it needs them
	measure    func(*bench, context.Context) ([]Row, error)
}

var parts = []part{
	{"boot", "clone against cold boot", true, eachKernel((*bench).boot)},
	{"vng", "cell against virtme-ng", true, (*bench).virtme},
	{"build", "module build against bare make", true, eachKernel((*bench).build)},
	{"dkms", "DKMS package against dkms build", true, (*bench).dkms},
	{"matrix", "a whole matrix", true, (*bench).matrix},
	{"archs", "six architectures", true, (*bench).archs},
	{"watch", "a save, with watch", true, (*bench).watch},
	{"large", "one line of a large package", true, (*bench).large},
	{"memory", "private memory of a further clone", true, eachKernel((*bench).memory)},
	{"judge", "plan and judge 10,000 cells", false, (*bench).judgement},
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

func eachKernel(one func(*bench, context.Context, *rig) ([]Row, error)) func(*bench, context.Context) ([]Row, error) {
	return func(b *bench, ctx context.Context) (rows []Row, err error) {
		for _, r := range b.rigs {
			more, err := one(b, ctx, r)
			rows = append(rows, more...)
			if err != nil {
				return rows, fmt.Errorf("on %s: %w", r.release(), err)
			}
		}
		return rows, nil
	}
}

// run measures and shows. Its error means that something broke; a budget that is not met is no error.
func (b *bench) run(ctx context.Context, w io.Writer) error {
	chosen, err := b.choose()
	if err != nil {
		return err
	}
	f := &Figures{Schema: Schema}
	if f.Machine, err = measure.Look(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(chosen, func(p part) bool { return p.kernels }) {
		if err := b.prepare(ctx); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		f.Machine.Accelerator = b.accel.String()
	}
	for _, r := range b.rigs {
		f.Kernels = append(f.Kernels, r.release())
	}
	var broken []error
	for _, p := range chosen {
		b.say("bench: %s", p.what)
		rows, err := p.measure(b, ctx)
		f.Rows = append(f.Rows, rows...)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			f.Rows = append(f.Rows, Row{What: p.what, Missing: first})
			broken = append(broken, fmt.Errorf("measure %s: %w", p.name, err))
		}
	}
	return errors.Join(append(broken, f.table(w), measure.Save(b.out, f))...)
}

func (b *bench) choose() ([]part, error) {
	for _, name := range b.only {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("there is no part %q: there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	if b.pairs < 1 {
		return nil, fmt.Errorf("%d pairs measure nothing: ask for 1 or more", b.pairs)
	}
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool {
		return len(b.only) > 0 && !slices.Contains(b.only, p.name)
	}), nil
}

func main() { os.Exit(run()) }

// run returns the exit code: 0 measured, 1 a deviation in a soak or a difference from dkms, 3 something broke, 130 interrupted.
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
