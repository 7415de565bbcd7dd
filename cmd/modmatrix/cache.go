package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func cacheCommand(a *app) *cobra.Command {
	return group("cache", "verb",
		verb("cache-ls", func(*cobra.Command, []string) error { return a.listStore(nil, why) }),
		cacheGC(a),
		verb("cache-verify", func(cmd *cobra.Command, _ []string) error { return a.verifyStore(cmd.Context()) }))
}

func cacheGC(a *app) *cobra.Command {
	var lim store.Limits
	cmd := verb("cache-gc", func(cmd *cobra.Command, _ []string) (err error) {
		if lim.MaxBytes < 0 {
			if lim.MaxBytes, err = store.Max(); err != nil {
				return usage("%w", err)
			}
		}
		return a.collect(cmd.Context(), lim)
	})
	makeRoom(cmd.Flags(), &lim, "max-size", "older-than")
	return cmd
}

// collect lets the store make room and says what it freed, also when the user ended it halfway.
func (a *app) collect(ctx context.Context, lim store.Limits) error {
	h, err := a.harness(silence)
	if err != nil {
		return err
	}
	b := a.busyWith("counting")
	c, err := h.Store().Collect(ctx, lim)
	b.done()
	for _, e := range c.Gone {
		if a.json || !a.quiet {
			a.say(utc(e), "%s  %s  %s", e.Kind, title(e), report.Bytes(e.Disk))
		}
	}
	a.showHeld(c.Held)
	for _, e := range c.Kept {
		why := "another process has it"
		if e.State == store.InUse {
			why = states[e.State]
		}
		fmt.Fprintf(a.Stderr, "kept  %s  %s: %s\n", e.Kind, title(e), why)
	}
	if !a.json {
		verb := map[bool]string{true: "would free", false: "freed"}[lim.DryRun]
		fmt.Fprintf(a.Stdout, "%s %s: %s\n", verb, report.Bytes(sumOf(c.Gone)), entryCount(len(c.Gone)))
	}
	if err == nil && len(c.Kept) > 0 {
		return verdict(exitTrouble)
	}
	return err
}

// showHeld says how much of what is too old or too much stays, because a lock pins it.
func (a *app) showHeld(held []store.Entry) {
	for _, e := range held {
		if a.verbose {
			fmt.Fprintf(a.Stderr, "kept  %s  %s: pinned by %s\n", e.Kind, title(e), harness.LockName)
		}
	}
	if len(held) > 0 {
		a.note(fmt.Sprintf("what %s pins stays: %s of %s (--keep-locked=false deletes them, too)", harness.LockName, entryCount(len(held)), report.Bytes(sumOf(held))))
	}
}

func (a *app) verifyStore(ctx context.Context) error {
	h, err := a.harness(silence)
	if err != nil {
		return err
	}
	began := time.Now()
	b, read := a.busyWith("reading"), 0
	checked, damaged, err := h.Store().Verify(ctx, func(e store.Entry) {
		read++
		b.with(fmt.Sprintf("reading entry %d: %s, %s", read, e.Kind, title(e)))
		if a.verbose {
			fmt.Fprintf(a.Stderr, "read  %s  %s\n", e.Kind, title(e))
		}
	})
	b.done()
	left := 0
	for _, d := range damaged {
		end := "discarded"
		if d.Kept != "" {
			left++
			end = "not discarded: " + d.Kept
		}
		if d.What != "" {
			end = d.What + "; " + end
		}
		d.Entry = utc(d.Entry)
		a.say(d, "%s", results.Plain(fmt.Sprintf("%s  %s: %s", d.Kind, title(d.Entry), end)))
	}
	if !a.json {
		fmt.Fprintf(a.Stdout, "read %s in %.1f s: %d damaged, %d of them discarded\n", entryCount(checked), time.Since(began).Seconds(), len(damaged), len(damaged)-left)
	}
	if err == nil && left > 0 {
		return verdict(exitTrouble)
	}
	return err
}
