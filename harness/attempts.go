package harness

import (
	"fmt"

	"github.com/modmatrix/modmatrix/results"
)

// attempts are the records of one cell, in order. One counts where the module was the reason for it; infrastructure is a note.
type attempts []results.Record

// again reports whether another attempt follows. With a count, each end is wanted, also those of infrastructure trouble.
func (a attempts) again(s Spec) bool {
	last := a[len(a)-1]
	switch {
	case s.BuildOnly || last.Stage == results.StageFetch || last.Stage == results.StageBuild:
		return false // no guest was any part of it
	case s.Count > 1:
		return len(a) < s.Count
	case broke(last):
		return count(a, broke) == 1
	case failed(last):
		return count(a, failed) <= s.Retries
	}
	return false
}

// broke reports an infrastructure error that may well not come twice: QEMU died, a template was damaged.
func broke(rec results.Record) bool {
	return rec.Status == results.Error && rec.Code == results.CodeInfra
}

func failed(rec results.Record) bool { return rec.Status == results.Fail }
func passed(rec results.Record) bool { return rec.Status == results.Pass }

func count(recs []results.Record, is func(results.Record) bool) (n int) {
	for _, rec := range recs {
		if is(rec) {
			n++
		}
	}
	return n
}

// sum makes one record of all. The worst decides, except for an infrastructure error that did not come again.
func (a attempts) sum(s Spec) results.Record {
	if len(a) == 1 {
		return a[0]
	}
	counted, notes := a.counted(s)
	worst := counted[0]
	for _, rec := range counted[1:] {
		if worst.Status != rec.Status && worst.Status.Worse(rec.Status) == rec.Status {
			worst = rec
		}
	}
	worst.Attempts = len(a)
	if note := counted.differ(); note != "" {
		notes = append(notes, note)
	}
	worst.Notes = append(notes, worst.Notes...)
	if failed(worst) && count(counted, passed) > 0 {
		worst.Flaky = true
		worst.Reason = fmt.Sprintf("flaky: failed %d of %d attempts: %s", count(counted, failed), len(counted), worst.Reason)
	}
	for _, rec := range a {
		worst.Tries = append(worst.Tries, results.Try{Status: rec.Status, Stage: rec.Stage, Code: rec.Code, Reason: rec.Reason, Artifacts: rec.Artifacts})
	}
	return worst
}

// counted leaves out what broke and was tried again for it, with a note on each.
func (a attempts) counted(s Spec) (counted attempts, notes []string) {
	if s.Count > 1 {
		return a, nil
	}
	for i, rec := range a {
		if broke(rec) && i < len(a)-1 {
			notes = append(notes, fmt.Sprintf("attempt %d was an infrastructure error, so the cell was run again: %s", i+1, rec.Reason))
			continue
		}
		counted = append(counted, rec)
	}
	return counted, notes
}

// differ says how often each status came; empty where it was always the same.
func (a attempts) differ() string {
	note, kinds := fmt.Sprintf("not the same each time: of %d guests", len(a)), 0
	for _, s := range results.Statuses {
		if n := count(a, func(rec results.Record) bool { return rec.Status == s }); n > 0 {
			note += fmt.Sprintf(" %d %s", n, s)
			kinds++
		}
	}
	if kinds < 2 {
		return ""
	}
	return note
}
