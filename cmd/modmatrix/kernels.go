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
	cmd := &cobra.Command{
		Use:   "kernels",
		Short: "The kernels to build against, and the roots to build in",
		Long: `A selector names the kernels that a verb is about: SOURCE[:NAME][@VERSION][/FLAVOUR][+PROFILE…].

  debian:bookworm                 the newest kernel of the suite's own series, with its -security and -updates
  debian:trixie-backports@7.2     the newest 7.2.x of that suite; @7.* is the newest of each series
  debian:bookworm/cloud-amd64     another flavour: cloud-amd64, rt-amd64
  debian:all                      the newest of every series in each supported release, and the newest of all as rt
  host, host:RELEASE              the running or an installed kernel, with this machine's compiler
  dir:PATH                        a kernel tree that was built by hand, in place or with O=
  git:PATH@v6.12+kasan, tar:PATH  compiled from source, minimal and with profiles
  @NAME                           a set of the module's modmatrix.toml`,
		Example: `  modmatrix kernels ls
  modmatrix kernels fetch debian:trixie
  modmatrix kernels update
  modmatrix kernels prune --older 30d`,
		Args: noVerb,
		RunE: func(*cobra.Command, []string) error { return usage("kernels needs a verb: ls, fetch, update or prune") },
	}
	cmd.AddCommand(kernelsLs(a), kernelsFetch(a), kernelsUpdate(a), kernelsPrune(a))
	return cmd
}

// kernelKinds are the kinds of the store that come with a kernel to build against: the kernel, the root, what was downloaded of
// others, the archives' indices, and what compiling left.
var kernelKinds = []string{"apt", "ccache", "partial", "roots", "trees"}

func kernelsLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the kernels and roots in the store",
		Long: `Ls lists the kernels and the roots in the store, and what it took to get them (downloads that were cut off, the indices of
archives, the compiler's cache): what takes how much of the disk, when it was last used, and why it is kept: a run uses it,
the modmatrix.lock in this folder pins it, or it was used lately. What else is there, modmatrix cache ls shows.`,
		Example: `  modmatrix kernels ls
  modmatrix kernels ls --json`,
		Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			lock, _, err := lockHere()
			if err != nil {
				return err
			}
			return a.listStore(kernelKinds, func(e store.Entry) string { return whyKernel(e, lock) })
		},
	}
}

func kernelsFetch(a *app) *cobra.Command {
	var s specFlags
	cmd := &cobra.Command{
		Use:   "fetch SELECTOR…",
		Short: "Get kernels, and the roots their modules are built in, ready for later",
		Long: `Fetch downloads kernels, two at a time, and makes the roots that their modules are built in, so that a run can be
--offline. A download that was cut off continues where it stopped the next time; what nobody continues for a week,
modmatrix cache gc removes. What was obtained is listed, even if something else was not.

The archive is the one that this host's own apt knows, and apt goes there as it always does: through the proxy, with the
credentials, timeouts and retries of its configuration (Acquire::http::Proxy in /etc/apt/apt.conf.d, or http_proxy).
Another mirror is given by mirror and security_mirror under [debian] in modmatrix.toml, or by MODMATRIX_DEBIAN_MIRROR and
MODMATRIX_DEBIAN_SECURITY_MIRROR. MODMATRIX_SHARED names the store of another user, which is looked at first.`,
		Example: "  modmatrix kernels fetch debian:bookworm debian:trixie@6.12.43/cloud-amd64",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("name the kernels to fetch, e.g. debian:trixie")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Kernels = args
			spec, err := s.spec(cmd, nil)
			if err != nil {
				return err
			}
			return a.fetch(cmd.Context(), spec)
		},
	}
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
	cmd := &cobra.Command{
		Use:   "update [MODULE]",
		Short: "Pin in modmatrix.lock what the selectors name today",
		Long: `Update resolves every selector of modmatrix.toml anew and writes the result into modmatrix.lock beside it: releases,
packages, versions and SHA-256, and no address. From then on a run takes these kernels, until the next update, whose
output says what changed. Without the file every run takes the newest.`,
		Example: `  modmatrix kernels update
  modmatrix run --locked`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := s.config(cmd, args)
			if err != nil {
				return err
			}
			return a.update(cmd.Context(), s.Flags, cfg)
		},
	}
	cmd.Flags().BoolVar(&s.Offline, "offline", false, "never touch the network")
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
	a.showChanges(resolved, damaged != nil, lock.Changes(old))
	return nil
}

// showChanges prints the result of an update of the lock.
func (a *app) showChanges(resolved []kernels.Resolution, damaged bool, changes []string) {
	for _, res := range resolved {
		a.note(res.Notices...)
	}
	if damaged {
		a.note("the lock was damaged and is written anew")
	}
	if len(changes) == 0 {
		changes = []string{"nothing changed"}
	}
	for _, line := range changes {
		fmt.Fprintln(a.Stdout, results.Plain(line))
	}
}
