package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

func kernelsCommand(a *app) *cobra.Command {
	return group("kernels", "verb", kernelsLs(a), kernelsFetch(a), kernelsUpdate(a), kernelsPrune(a))
}

// kernelKinds are the kinds of the store that come with a kernel: indices, what compiling left, downloads, its root, and itself.
var kernelKinds = []string{"apt", "ccache", "partial", "roots", "trees"}

func kernelsLs(a *app) *cobra.Command {
	var words []string
	cmd := verb("kernels-ls", func(*cobra.Command, []string) error {
		archs, err := config.Archs(words)
		if err != nil {
			return usage("--arch: %w", err)
		}
		lock, _, err := lockHere()
		if err != nil {
			return err
		}
		keep := func(e store.Entry) bool {
			return slices.Contains(kernelKinds, e.Kind) && (len(archs) == 0 || slices.Contains(archs, archOf(e)))
		}
		return a.listStore(keep, func(e store.Entry) string { return whyKernel(e, lock) })
	})
	cmd.Flags().StringSliceVar(&words, "arch", nil, "only what is of these `ARCHS`, separated by commas and in Debian's words")
	return cmd
}

// archOf is the architecture of an entry, in Debian's word, by its title: what is of this machine's own need not say so.
func archOf(e store.Entry) string {
	for _, a := range arch.All() {
		if a.In(e.Title) || strings.Contains(e.Title, a.Triplet+"-gcc") {
			return a.Debian
		}
	}
	return arch.Host().Debian
}

func kernelsFetch(a *app) *cobra.Command {
	var s specFlags
	cmd := verb("kernels-fetch", func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("name the kernels to fetch, e.g. debian:trixie")
		}
		s.Kernels = args
		spec, err := s.spec(cmd, nil)
		if err != nil {
			return err
		}
		return a.fetch(cmd.Context(), spec)
	})
	cmd.Args = nil
	s.whichArchs(cmd)
	s.trusts(cmd)
	return cmd
}

func (a *app) fetch(ctx context.Context, spec harness.Spec) error {
	var targets []kernels.Target
	err := a.watched(a.watch(ctx), func(h *harness.Harness) (err error) {
		targets, err = h.Fetch(ctx, spec)
		return err
	})
	if !a.json {
		for _, t := range targets {
			fmt.Fprintln(a.Stdout, results.Plain(harness.Label(t)))
		}
	}
	return err
}

func kernelsUpdate(a *app) *cobra.Command {
	var s specFlags
	cmd := verb("kernels-update", func(cmd *cobra.Command, args []string) error {
		cfg, err := s.config(cmd, args)
		if err != nil {
			return err
		}
		if s.bundle != nil {
			return usage("%s is a bundle, whose %s is its author's", s.Module, harness.LockName)
		}
		return a.update(cmd.Context(), s.Flags, cfg)
	})
	cmd.Flags().BoolVar(&s.Offline, "offline", false, "never touch the network")
	s.trusts(cmd)
	return cmd
}

func (a *app) update(ctx context.Context, flags config.Flags, cfg config.Config) error {
	path := cfg.Lock
	if path == "" {
		return usage("%s is no folder: a lock lies beside a modmatrix.toml", flags.Module)
	}
	cfg.Lock = "" // what was pinned before does not count
	spec, err := cfg.Spec(flags)
	if err != nil {
		return err
	}
	selectors := cfg.Selectors()
	old, damaged := config.ReadLock(path)
	var resolved []kernels.Resolution
	err = a.watched(a.watch(ctx), func(h *harness.Harness) (err error) {
		resolved, err = h.Ask(ctx, spec, selectors)
		return err
	})
	if err != nil {
		return err
	}
	lock := config.Pin(selectors, resolved)
	if err := lock.Write(path); err != nil {
		return err
	}
	for _, res := range resolved {
		a.note(res.Notices...)
	}
	if damaged != nil {
		a.note("the lock was damaged and is written anew")
	}
	changes := lock.Changes(old)
	if len(changes) == 0 {
		changes = []string{"nothing changed"}
	}
	for _, line := range changes {
		fmt.Fprintln(a.Stdout, results.Plain(line))
	}
	return nil
}

// pruneAge is how long a kernel is kept that nobody uses, where nobody says otherwise; pruneDays is how the flags have it.
const (
	pruneAge  = 30 * day
	pruneDays = "30d"
)

func kernelsPrune(a *app) *cobra.Command {
	var lim store.Limits
	var all, keepLocked bool
	cmd := verb("kernels-prune", func(cmd *cobra.Command, _ []string) error {
		if all && (lim.MaxBytes >= 0 || !lim.Before.IsZero()) {
			return usage("--all deletes everything: --older and --max say nothing beside it")
		}
		if all {
			lim.Before = time.Now()
		}
		if keepLocked {
			lock, there, err := lockHere()
			switch {
			case err != nil:
				return err
			case !there && cmd.Flags().Changed("keep-locked"):
				return usage("--keep-locked: there is no %s in this folder; modmatrix kernels update writes one", harness.LockName)
			}
			lim.Keep = func(e store.Entry) bool { return lock.Pins(e) != "" }
		}
		return a.prune(cmd.Context(), lim)
	})
	f := cmd.Flags()
	makeRoom(f, &lim, "max", "older")
	f.BoolVar(&all, "all", false, "delete all that no run uses")
	f.BoolVar(&keepLocked, "keep-locked", true, "keep what the modmatrix.lock in this folder pins; there must be one where this is given")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName { // as cache gc has them
		return pflag.NormalizedName(strings.TrimSuffix(strings.TrimSuffix(name, "-than"), "-size"))
	})
	return cmd
}

// prune deletes nothing where neither an age nor a size was given: it only says what it would.
func (a *app) prune(ctx context.Context, lim store.Limits) error {
	asked := lim.MaxBytes >= 0 || !lim.Before.IsZero()
	if !asked {
		lim.Before = time.Now().Add(-pruneAge)
	}
	dry := lim.DryRun
	lim.Kinds, lim.DryRun, lim.MaxBytes = kernelKinds, dry || !asked, max(lim.MaxBytes, 0)
	err := a.collect(ctx, lim)
	if lim.DryRun && !dry && !a.json {
		a.note("nothing was deleted: modmatrix kernels prune --older " + pruneDays + " does")
	}
	return err
}

// lockHere reads the lock in the folder where we are, if there is one.
func lockHere() (config.Lock, bool, error) {
	if _, err := os.Stat(harness.LockName); errors.Is(err, fs.ErrNotExist) {
		return config.Lock{}, false, nil
	}
	lock, err := config.ReadLock(harness.LockName)
	return lock, true, err
}

func whyKernel(e store.Entry, lock config.Lock) string {
	if e.State != "" && e.State != store.Spare {
		return why(e)
	}
	if selector := lock.Pins(e); selector != "" {
		return fmt.Sprintf("%s pins it (%s)", harness.LockName, selector)
	}
	if time.Since(e.Used) > pruneAge {
		return "nothing keeps it: kernels prune --older " + pruneDays + " deletes it"
	}
	return "was used within " + pruneDays
}
