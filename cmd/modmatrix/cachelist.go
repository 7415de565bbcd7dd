package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func (a *app) listStore(kinds []string, why func(store.Entry) string) error {
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
	if kinds != nil {
		entries = slices.DeleteFunc(entries, func(e store.Entry) bool { return !slices.Contains(kinds, e.Kind) })
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
	return strings.Replace(report.Plural(n, "entry"), "entrys", "entries", 1)
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
