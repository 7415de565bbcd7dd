package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

func kernelsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kernels",
		Short: "The store of kernels, roots, images and builds",
		Example: `  modmatrix kernels ls
  modmatrix kernels fetch debian:trixie
  modmatrix kernels prune --older-than 720h`,
		Args: noVerb,
		RunE: func(*cobra.Command, []string) error { return usage("kernels needs a verb: ls, fetch or prune") },
	}
	cmd.AddCommand(kernelsLs(a), kernelsFetch(a), kernelsPrune(a))
	return cmd
}

func kernelsLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "ls",
		Short:   "List what the store holds",
		Example: "  modmatrix kernels ls\n  modmatrix kernels ls --json",
		Args:    atMost(0),
		RunE: func(*cobra.Command, []string) error {
			h, err := a.open(harness.Options{Tool: toolName()})
			if err != nil {
				return err
			}
			entries, err := h.Store().List()
			if err != nil {
				return err
			}
			return a.listEntries(h.Store().Dir(), entries)
		},
	}
}

// storeEntry is an entry as JSON Lines have it.
type storeEntry struct {
	Kind  string    `json:"kind"`
	ID    string    `json:"id"`
	Title string    `json:"title"`
	Bytes int64     `json:"bytes"`
	Used  time.Time `json:"used"`
}

func (a *app) listEntries(dir string, entries []kernels.Entry) error {
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	enc := json.NewEncoder(a.Stdout)
	var sum int64
	if !a.json {
		fmt.Fprintln(w, "KIND\tWHAT\tSIZE\tUSED")
	}
	for _, e := range entries {
		sum += e.Size
		if a.json {
			if err := enc.Encode(storeEntry{e.Kind, e.ID, e.Title, e.Size, e.Used.UTC()}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Kind, title(e), megabytes(e.Size), humanize.Time(e.Used))
	}
	if !a.json {
		fmt.Fprintf(w, "\t%s in %s\t%s\t\n", entryCount(len(entries)), results.Plain(dir), megabytes(sum))
	}
	return w.Flush()
}

func title(e kernels.Entry) string {
	if e.Title != "" && e.Title != e.ID {
		return results.Plain(e.Title)
	}
	return results.Plain(e.ID[:min(len(e.ID), 24)])
}

func entryCount(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func megabytes(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

func kernelsFetch(a *app) *cobra.Command {
	var s specFlags
	cmd := &cobra.Command{
		Use:     "fetch SELECTOR…",
		Short:   "Get kernels, and the roots their modules are built in, ready for later",
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
	w := a.watch(ctx)
	h, err := a.open(harness.Options{Events: w.event, Tool: toolName()})
	if err != nil {
		w.close()
		return err
	}
	targets, err := h.Fetch(ctx, spec)
	w.close()
	if err != nil {
		return err
	}
	if !a.json {
		for _, t := range targets {
			fmt.Fprintln(a.Stdout, results.Plain(harness.Label(t)))
		}
	}
	return nil
}

func kernelsPrune(a *app) *cobra.Command {
	var olderThan time.Duration
	var all, dry bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete what was not used for a while",
		Long: `Prune deletes entries of the store that were not used for a while. What is deleted is fetched or built again when it is
needed; what another process is just making is left alone.`,
		Example: `  modmatrix kernels prune --dry-run
  modmatrix kernels prune --older-than 168h
  modmatrix kernels prune --all`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && cmd.Flags().Changed("older-than") {
				return usage("--all and --older-than exclude each other")
			}
			if olderThan < 0 {
				return usage("--older-than %v: it cannot be negative", olderThan)
			}
			if all {
				olderThan = 0
			}
			return a.prune(cmd.Context(), olderThan, dry)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&olderThan, "older-than", 30*24*time.Hour, "delete what was not used for this `TIME`")
	f.BoolVar(&all, "all", false, "delete everything")
	f.BoolVar(&dry, "dry-run", false, "only say what would be deleted")
	return cmd
}

func (a *app) prune(ctx context.Context, olderThan time.Duration, dry bool) error {
	h, err := a.open(harness.Options{Tool: toolName()})
	if err != nil {
		return err
	}
	entries, err := h.Store().List()
	if err != nil {
		return err
	}
	var gone []kernels.Entry
	kept := 0
	for _, e := range entries {
		if ctx.Err() != nil {
			break
		}
		if time.Since(e.Used) < olderThan {
			continue
		}
		if !dry {
			if err := h.Store().Remove(e); err != nil {
				fmt.Fprintf(a.Stderr, "kept  %s %s: %v\n", e.Kind, title(e), err)
				kept++
				continue
			}
		}
		gone = append(gone, e)
	}
	return a.showPruned(ctx, gone, kept, dry)
}

// showPruned says what was freed, also when the user ended it halfway.
func (a *app) showPruned(ctx context.Context, gone []kernels.Entry, kept int, dry bool) error {
	enc := json.NewEncoder(a.Stdout)
	var sum int64
	for _, e := range gone {
		sum += e.Size
		switch {
		case a.json:
			if err := enc.Encode(storeEntry{e.Kind, e.ID, e.Title, e.Size, e.Used.UTC()}); err != nil {
				return err
			}
		case !a.quiet:
			fmt.Fprintf(a.Stdout, "%s  %s  %s\n", e.Kind, title(e), megabytes(e.Size))
		}
	}
	if !a.json {
		verb := "freed"
		if dry {
			verb = "would free"
		}
		fmt.Fprintf(a.Stdout, "%s %s: %s\n", verb, megabytes(sum), entryCount(len(gone)))
	}
	if ctx.Err() == nil && kept > 0 {
		return verdict(exitTrouble)
	}
	return ctx.Err()
}
