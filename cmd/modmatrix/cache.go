package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

func (a *app) listStore(keep func(store.Entry) bool, why func(store.Entry) string) error {
	h, err := a.harness(silence)
	if err != nil {
		return err
	}
	b := a.busyWith("counting")
	entries, err := h.Store().Usage()
	b.done()
	if err != nil {
		return err
	}
	all := sumOf(entries)
	if keep != nil {
		entries = slices.DeleteFunc(entries, func(e store.Entry) bool { return !keep(e) })
	}
	if a.json {
		for _, e := range entries {
			if err := a.encode(struct {
				store.Entry
				Why string `json:"why,omitempty"`
			}{utc(e), why(e)}); err != nil {
				return err
			}
		}
		return nil
	}
	rows := [][]string{{"KIND", "WHAT", "SIZE", "USED", "WHY IT IS KEPT"}}
	for _, e := range entries {
		rows = append(rows, []string{e.Kind, title(e), report.Bytes(e.Disk), humanize.Time(e.Used), why(e)})
	}
	if err := report.Columns(a.Stdout, "", rows); err != nil {
		return err
	}
	sum := sumOf(entries)
	fmt.Fprintf(a.Stdout, "%s in %s: %s\n", entryCount(len(entries)), results.Plain(h.Store().Dir()), report.Bytes(sum))
	if all > sum {
		fmt.Fprintf(a.Stdout, "everything there takes %s: modmatrix cache ls\n", report.Bytes(all))
	}
	if shared := h.Store().Shared(); shared != "" {
		fmt.Fprintf(a.Stdout, "what is in %s is used as well, and never removed from here\n", results.Plain(shared))
	}
	return nil
}

func sumOf(entries []store.Entry) (bytes int64) {
	for _, e := range entries {
		bytes += e.Disk
	}
	return bytes
}

var worth = map[string]string{
	"apt":       "spares reading an archive's index",
	"bases":     "spares compiling the guest's programs",
	"builds":    "spares compiling the module",
	"ccache":    "spares compiling a kernel's files again",
	"cells":     "spares running a cell that passed",
	"objects":   "spares compiling files of a module that did not change",
	"images":    "spares packing a guest image",
	"roots":     "spares downloading a compiler",
	"specs":     "spares asking a suite for its specs",
	"suites":    "spares compiling a suite",
	"templates": "spares booting a kernel",
	"trees":     "spares downloading a kernel",
}

// states are reasons that count for more than the worth of an entry.
var states = map[store.State]string{
	store.InUse:      "a run uses it",
	store.Making:     "is just being made",
	store.LeftBehind: "a killed process left it; the next gc removes it",
	store.Unfinished: "a download that was cut off; the next one continues from there",
	store.Private:    "notes of a source; gc never removes them",
}

func why(e store.Entry) string { return cmp.Or(states[e.State], worth[e.Kind]) }

// utc is e as JSON Lines have it.
func utc(e store.Entry) store.Entry {
	e.Used = e.Used.UTC()
	return e
}

func title(e store.Entry) string {
	if e.Title != "" && e.Title != e.ID {
		return results.Plain(e.Title)
	}
	return results.Plain(e.ID[:min(len(e.ID), 24)])
}

func entryCount(n int) string {
	return strings.Replace(results.Plural(n, "entry"), "entrys", "entries", 1)
}

const day = 24 * time.Hour

// parseAge reads a time since something was used, which may be given in days.
func parseAge(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 15) // 89 years
		d = time.Duration(n) * day
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time; write 30d or 12h", text)
	}
	return d, nil
}

// makeRoom adds the flags that say what a store is to lose. MaxBytes is -1 where no size is given.
func makeRoom(f *pflag.FlagSet, lim *store.Limits, size, age string) {
	lim.MaxBytes = -1
	f.Func(size, "bring the store below this `SIZE`: 20G, 500MiB; 0: no limit"+map[string]string{"max-size": " (default $MODMATRIX_CACHE_MAX, or 20GiB)"}[size], func(text string) (err error) {
		lim.MaxBytes, err = store.ParseSize(text)
		return err
	})
	f.Func(age, "delete what was not used for this `TIME`: 30d, 12h", func(text string) error {
		d, err := parseAge(text)
		lim.Before = time.Now().Add(-d)
		return err
	})
	f.BoolVar(&lim.DryRun, "dry-run", false, "only say what would be deleted")
}
