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
	return group("cache", "verb", cacheLs(a), cacheGC(a), cacheVerify(a))
}

func cacheLs(a *app) *cobra.Command {
	return verb("cache-ls", func(*cobra.Command, []string) error { return a.listStore(nil, why) })
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
	var sum int64
	for _, e := range c.Gone {
		sum += e.Disk
		if a.json {
			if err := a.encode(asJSON(e)); err != nil {
				return err
			}
		} else if !a.quiet {
			fmt.Fprintf(a.Stdout, "%s  %s  %s\n", e.Kind, title(e), report.Bytes(e.Disk))
		}
	}
	a.showHeld(c.Held)
	for _, e := range c.Kept {
		why := "another process has it"
		if e.State == store.InUse {
			why = "a run uses it"
		}
		fmt.Fprintf(a.Stderr, "kept  %s  %s: %s\n", e.Kind, title(e), why)
	}
	if !a.json {
		verb := "freed"
		if lim.DryRun {
			verb = "would free"
		}
		fmt.Fprintf(a.Stdout, "%s %s: %s\n", verb, report.Bytes(sum), entryCount(len(c.Gone)))
	}
	switch {
	case err != nil:
		return err
	case len(c.Kept) > 0:
		return verdict(exitTrouble)
	}
	return nil
}

// showHeld says how much of what is too old or too much stays, because a lock pins it.
func (a *app) showHeld(held []store.Entry) {
	var sum int64
	for _, e := range held {
		sum += e.Disk
		if a.verbose {
			fmt.Fprintf(a.Stderr, "kept  %s  %s: pinned by %s\n", e.Kind, title(e), harness.LockName)
		}
	}
	if len(held) > 0 {
		a.note(fmt.Sprintf("what %s pins stays: %s of %s (--keep-locked=false deletes them, too)", harness.LockName, entryCount(len(held)), report.Bytes(sum)))
	}
}

func cacheVerify(a *app) *cobra.Command {
	return verb("cache-verify", func(cmd *cobra.Command, _ []string) error { return a.verifyStore(cmd.Context()) })
}

// damage is a damaged entry as JSON Lines have it.
type damage struct {
	storeEntry
	What string `json:"what"`
	Left string `json:"left,omitempty"` // why it is still there
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
	left, lost := a.showDamage(damaged)
	if lost != nil {
		return lost
	}
	if !a.json {
		fmt.Fprintf(a.Stdout, "read %s in %.1f s: %d damaged, %d of them discarded\n", entryCount(checked), time.Since(began).Seconds(), len(damaged), len(damaged)-left)
	}
	switch {
	case err != nil: // what was found until then is shown
		return err
	case left > 0:
		return verdict(exitTrouble)
	}
	return nil
}

// showDamage shows each, and counts what is still there.
func (a *app) showDamage(damaged []store.Damage) (left int, err error) {
	for _, d := range damaged {
		if d.Kept != "" {
			left++
		}
		if !a.json {
			fmt.Fprintln(a.Stdout, results.Plain(damageLine(d)))
		} else if err := a.encode(damage{asJSON(d.Entry), d.What, d.Kept}); err != nil {
			return left, err
		}
	}
	return left, nil
}

func damageLine(d store.Damage) string {
	line := fmt.Sprintf("%s  %s: ", d.Kind, title(d.Entry))
	if d.What != "" {
		line += d.What + "; "
	}
	if d.Kept != "" {
		return line + "not discarded: " + d.Kept
	}
	return line + "discarded"
}
