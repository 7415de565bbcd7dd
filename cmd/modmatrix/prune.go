package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// pruneAge is how long a kernel is kept that nobody uses, where nobody says otherwise.
const pruneAge = age(30 * day)

// pruning is what the flags of prune ask for.
type pruning struct {
	olderThan  age
	max        byteSize
	all        bool
	dry        bool
	keepLocked bool
}

func kernelsPrune(a *app) *cobra.Command {
	p := pruning{olderThan: -1, max: -1}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete kernels and roots that were not used for a while",
		Long: `Prune deletes what modmatrix kernels ls lists, that first which was not used for the longest time: all that was not used
since --older, and as much more as takes the rest above --max. Without either it only says what was not used for 30
days. What is deleted is fetched again when it is needed, as long as its archive has it.

What a run uses stays, and so does what the modmatrix.lock in this folder pins, unless --keep-locked=false. The exit code
is 3 if something that should go could not. For all that the store holds there is modmatrix cache gc.`,
		Example: `  modmatrix kernels prune
  modmatrix kernels prune --older 7d
  modmatrix kernels prune --dry-run --max 5G
  modmatrix kernels prune --all`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.prune(cmd.Context(), p, cmd.Flags()) },
	}
	f := cmd.Flags()
	f.Var(&p.olderThan, "older", "delete what was not used for this `TIME`: 30d, 12h")
	f.Var(&p.max, "max", "bring kernels and roots below this `SIZE` together: 5G, 500MiB; 0: no limit")
	f.BoolVar(&p.all, "all", false, "delete all that no run uses")
	f.BoolVar(&p.dry, "dry-run", false, "only say what would be deleted")
	f.BoolVar(&p.keepLocked, "keep-locked", true, "keep what the modmatrix.lock in this folder pins; there must be one where this is given")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName { // as cache gc has them
		switch name {
		case "older-than":
			name = "older"
		case "max-size":
			name = "max"
		}
		return pflag.NormalizedName(name)
	})
	return cmd
}

func (a *app) prune(ctx context.Context, p pruning, given *pflag.FlagSet) error {
	if p.all && (p.olderThan >= 0 || p.max >= 0) {
		return usage("--all deletes everything: --older and --max say nothing beside it")
	}
	lock, there, err := lockHere()
	switch {
	case err != nil && p.keepLocked:
		return err
	case !there && p.keepLocked && given.Changed("keep-locked"):
		return usage("--keep-locked: there is no %s in this folder; modmatrix kernels update writes one", harness.LockName)
	}
	lim := store.Limits{Kinds: kernelKinds, DryRun: p.dry, MaxBytes: max(int64(p.max), 0)}
	switch {
	case p.all:
		lim.Before = time.Now()
	case p.olderThan >= 0:
		lim.Before = p.olderThan.ago()
	case p.max < 0: // nobody said what to delete: nothing is
		lim.Before, lim.DryRun = pruneAge.ago(), true
	}
	if p.keepLocked {
		lim.Keep = func(e store.Entry) bool { return lock.Pins(e) != "" }
	}
	err = a.collect(ctx, lim)
	if lim.DryRun && !p.dry && !a.json {
		fmt.Fprintf(a.Stderr, "note  nothing was deleted: modmatrix kernels prune --older %s does\n", pruneAge.text())
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

// whyKernel says why a kernel or a root is in the store.
func whyKernel(e store.Entry, lock config.Lock) string {
	if e.State != "" && e.State != store.Spare {
		return why(e)
	}
	if selector := lock.Pins(e); selector != "" {
		return fmt.Sprintf("%s pins it (%s)", harness.LockName, selector)
	}
	if e.Used.Before(pruneAge.ago()) {
		return "nothing keeps it: kernels prune --older " + pruneAge.text() + " deletes it"
	}
	return "was used within " + pruneAge.text()
}
