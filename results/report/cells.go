package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

const never = "–"

func passed(rec results.Record, stage results.Stage) bool {
	return rec.Status == results.Pass || rec.Stage != "" && slices.Index(results.Stages, rec.Stage) > slices.Index(results.Stages, stage)
}

// stopped says whether rec was decided at one of stages, and not by a pass.
func stopped(rec results.Record, stages ...results.Stage) bool {
	return rec.Status != results.Pass && rec.Stage != "" && slices.Contains(stages, rec.Stage)
}

// reachedGuest says whether the matrix needs columns for what happens in a guest: not if all was asked for is a
// build, whose passes have no time in a guest, nor anything else.
func reachedGuest(w results.Row) bool {
	return slices.ContainsFunc(dynamic(w).Cells, func(rec results.Record) bool {
		t := rec.Timings
		return stopped(rec, results.StageBoot, results.StageLoad, results.StageTest, results.StageUnload, results.StageShutdown) || rec.Stage == "" && rec.Status != results.Pass ||
			len(rec.Specs) > 0 || t.Boot+t.Restore+t.Load+t.Test+t.Unload > 0
	})
}

// atStages is the worst that was decided at one of stages within the row; empty when nothing was.
func atStages(w results.Row, stages ...results.Stage) (s results.Status) {
	for _, rec := range w.Cells {
		if stopped(rec, stages...) {
			s = s.Worse(rec.Status)
		}
	}
	return s
}

func buildCell(w results.Row) field {
	w = dynamic(w)
	var took int64
	built, kept, fresh := false, false, false
	for _, rec := range w.Cells {
		past := passed(rec, results.StageBuild)
		built, kept = built || past, kept || rec.Kept != nil
		fresh = fresh || rec.Kept == nil && (past || stopped(rec, results.StageFetch, results.StageBuild))
		if !rec.Cached && rec.Kept == nil {
			took = max(took, rec.Timings.Build)
		}
	}
	mark := "" // kept, where all that is known of the build comes from an earlier run
	if kept && !fresh {
		mark = keptMark
	}
	given := slices.ContainsFunc(w.Cells, func(rec results.Record) bool { return len(rec.Predicted) > 0 })
	switch s := atStages(w, results.StageFetch, results.StageBuild); {
	case s != "":
		return field{text: string(s), more: mark, ink: ink(s)}
	case given: // nothing was built
		return field{text: never, more: mark}
	case !built:
		return field{text: never}
	case mark != "":
		return field{text: mark}
	case took == 0:
		return field{text: cachedMark}
	}
	return field{text: short(took)}
}

func loadCell(w results.Row) field {
	w = dynamic(w)
	if s := atStages(w, results.StageBoot, results.StageLoad); s != "" {
		return field{text: string(s), ink: ink(s)}
	}
	if slices.ContainsFunc(w.Cells, func(rec results.Record) bool { return passed(rec, results.StageLoad) }) {
		return field{text: "ok", ink: ink(results.Pass)}
	}
	return field{text: never}
}

// What marks a verdict that this run did not find itself.
const (
	cachedMark = "(cached)" // nothing that it depends on has changed since it was found
	keptMark   = "(kept)"   // it stands in the run that this one continues from, and was not asked again
)

// suiteCell shows specs that passed out of those planned, unless the verdict is about something else, and marks an earlier one.
func suiteCell(rec results.Record) field {
	if stopped(rec, results.StageFetch, results.StageBuild, results.StageBoot, results.StageLoad) {
		return field{text: never}
	}
	count := countSpecs(rec)
	score := fmt.Sprintf("%d/%d", count[results.Pass], len(rec.Specs))
	skipped, mark := "", ""
	if count[results.Skip] > 0 {
		skipped = fmt.Sprintf("%d skipped", count[results.Skip])
	}
	switch {
	case rec.Kept != nil:
		mark = keptMark
	case rec.Cached && len(rec.Specs) > 0:
		mark = cachedMark
	}
	c := field{text: string(rec.Status), more: mark, ink: ink(rec.Status)}
	switch {
	case rec.Status == results.Pass && len(rec.Specs) == 0:
		c.text = "ok"
	case rec.Static() && count[results.Miss] > 0 && rec.Status == results.Pass: // a tool that cannot be had is named below
		c.text, c.more = score, strings.Trim(fmt.Sprintf("%d not run  ", count[results.Miss])+mark, " ")
	case rec.Status == results.Fail && (rec.Code == results.CodeSpecFailed || rec.Code == results.CodeCheckFailed) && count[results.Fail] > 0:
		c.text, c.more = fmt.Sprintf("%s  %d failed", score, count[results.Fail]), strings.Trim(skipped+"  "+mark, " ")
	case rec.Status == results.Pass && (skipped != "" || count[results.Pass] == len(rec.Specs)):
		c.text, c.more = score, strings.Trim(skipped+"  "+mark, " ")
	case rec.Status == results.Pass: // a pass with specs that did not: our own mistake, and not to be shown in green
		c.text, c.ink = score+"  ?", ink(results.Error)
	}
	return c
}

// cause is why the row is not a pass: the reason of its worst cell that the columns do not already show.
func cause(w results.Row) string {
	worst, text := results.Status(""), ""
	more := 0
	for _, rec := range w.Cells {
		if rec.Status == results.Pass || rec.Code == results.CodeSpecFailed || rec.Code == results.CodeCheckFailed {
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
