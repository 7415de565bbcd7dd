package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// never is what a column shows when the cell did not come that far.
const never = "–"

// passed says whether rec got past stage.
func passed(rec results.Record, stage results.Stage) bool {
	if rec.Status == results.Pass {
		return true
	}
	return rec.Stage != "" && slices.Index(results.Stages, rec.Stage) > slices.Index(results.Stages, stage)
}

// stopped says whether rec was decided at one of stages, and not by a pass.
func stopped(rec results.Record, stages ...results.Stage) bool {
	return rec.Status != results.Pass && rec.Stage != "" && slices.Contains(stages, rec.Stage)
}

// reachedGuest says whether the matrix needs columns for what happens in a guest: not if all was asked for is a
// build, whose passes have no time in a guest, nor anything else.
func reachedGuest(w results.Row) bool {
	return slices.ContainsFunc(w.Cells, func(rec results.Record) bool {
		t := rec.Timings
		return stopped(rec, results.StageBoot, results.StageLoad, results.StageTest, results.StageUnload, results.StageShutdown) || rec.Stage == "" && rec.Status != results.Pass ||
			len(rec.Specs) > 0 || t.Boot+t.Restore+t.Load+t.Test+t.Unload > 0
	})
}

// atStages is the worst that was decided at one of stages within the row; ok is false when nothing was.
func atStages(w results.Row, stages ...results.Stage) (results.Status, bool) {
	var s results.Status
	for _, rec := range w.Cells {
		if stopped(rec, stages...) {
			s = s.Worse(rec.Status)
		}
	}
	return s, s != ""
}

func buildCell(w results.Row) field {
	kept := keptBuild(w)
	if s, ok := atStages(w, results.StageFetch, results.StageBuild); ok {
		c := field{text: string(s), ink: ink(s)}
		if kept {
			c.more = keptMark
		}
		return c
	}
	var took int64
	built := false
	for _, rec := range w.Cells {
		built = built || passed(rec, results.StageBuild)
		if !rec.Cached && rec.Kept == nil {
			took = max(took, rec.Timings.Build)
		}
	}
	switch {
	case !built:
		return field{text: never}
	case kept:
		return field{text: keptMark}
	case took == 0:
		return field{text: cachedMark}
	}
	return field{text: short(took)}
}

// keptBuild says whether all that is known of the row's build comes from an earlier run.
func keptBuild(w results.Row) bool {
	kept := false
	for _, rec := range w.Cells {
		if rec.Kept == nil && (passed(rec, results.StageBuild) || stopped(rec, results.StageFetch, results.StageBuild)) {
			return false
		}
		kept = kept || rec.Kept != nil
	}
	return kept
}

func loadCell(w results.Row) field {
	if s, ok := atStages(w, results.StageBoot, results.StageLoad); ok {
		return field{text: string(s), ink: ink(s)}
	}
	for _, rec := range w.Cells {
		if passed(rec, results.StageLoad) {
			return field{text: "ok", ink: ink(results.Pass)}
		}
	}
	return field{text: never}
}

// What marks a verdict that this run did not find itself.
const (
	cachedMark = "(cached)" // nothing that it depends on has changed since it was found
	keptMark   = "(kept)"   // it stands in the run that this one goes on from, and was not asked again
)

// suiteCell is scoreCell, which says so when the verdict is one of an earlier run.
func suiteCell(rec results.Record) field {
	c := scoreCell(rec)
	mark := ""
	switch {
	case c.text == never:
	case rec.Kept != nil:
		mark = keptMark
	case rec.Cached && len(rec.Specs) > 0:
		mark = cachedMark
	}
	c.more = strings.Trim(c.more+"  "+mark, " ")
	return c
}

// scoreCell shows specs that passed out of those planned, unless the verdict is about something else.
func scoreCell(rec results.Record) field {
	if stopped(rec, results.StageFetch, results.StageBuild, results.StageBoot, results.StageLoad) {
		return field{text: never}
	}
	count := countSpecs(rec)
	score := fmt.Sprintf("%d/%d", count[results.Pass], len(rec.Specs))
	switch {
	case rec.Status == results.Pass && len(rec.Specs) == 0:
		return field{text: "ok", ink: ink(results.Pass)}
	case rec.Status == results.Pass && count[results.Skip] > 0:
		return field{text: score, more: fmt.Sprintf("%d skipped", count[results.Skip]), ink: ink(results.Pass)}
	case rec.Status == results.Pass && count[results.Pass] == len(rec.Specs):
		return field{text: score, ink: ink(results.Pass)}
	case rec.Status == results.Fail && rec.Code == results.CodeSpecFailed && count[results.Fail] > 0:
		c := field{text: fmt.Sprintf("%s  %d failed", score, count[results.Fail]), ink: ink(results.Fail)}
		if count[results.Skip] > 0 {
			c.more = fmt.Sprintf("%d skipped", count[results.Skip])
		}
		return c
	case rec.Status == results.Pass: // a pass with specs that did not: our own mistake, and not to be shown in green
		return field{text: score + "  ?", ink: ink(results.Error)}
	}
	return field{text: string(rec.Status), ink: ink(rec.Status)}
}

// cause is why the row is not a pass: the reason of its worst cell that the columns do not already show.
func cause(w results.Row) string {
	worst, text := results.Status(""), ""
	more := 0
	for _, rec := range w.Cells {
		if rec.Status == results.Pass || rec.Code == results.CodeSpecFailed {
			continue
		}
		reason := rec.Why()
		switch {
		case text == "" || worst.Worse(rec.Status) != worst:
			if text != "" && text != reason {
				more++
			}
			worst, text = rec.Status, reason
		case reason != text:
			more++
		}
	}
	if more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// short writes milliseconds for a column.
func short(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < 100*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 100*time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func countSpecs(rec results.Record) map[results.Status]int {
	count := map[results.Status]int{}
	for _, s := range rec.Specs {
		count[s.Status]++
	}
	return count
}
