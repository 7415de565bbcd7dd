package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

func kernelsCommand(a *app) *cobra.Command {
	return group("kernels", "verb", kernelsLs(a), kernelsFetch(a), kernelsUpdate(a), kernelsPrune(a))
}

// kernelKinds are the kinds of the store that come with a kernel to build against: the kernel, the root, what was downloaded of
// others, the archives' indices, and what compiling left.
var kernelKinds = []string{"apt", "ccache", "partial", "roots", "trees"}

func kernelsLs(a *app) *cobra.Command {
	return verb("kernels-ls", func(*cobra.Command, []string) error {
		lock, _, err := lockHere()
		if err != nil {
			return err
		}
		return a.listStore(kernelKinds, func(e store.Entry) string { return whyKernel(e, lock) })
	})
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
