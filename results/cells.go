package results

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// never is what a column shows when the cell did not come that far.
const never = "–"

// passed tells whether rec got past stage.
func (rec Record) passed(stage Stage) bool {
	if rec.Status == Pass {
		return true
	}
	return rec.Stage != "" && slices.Index(Stages, rec.Stage) > slices.Index(Stages, stage)
}

// stopped tells whether rec was decided at one of stages, and not by a pass.
func (rec Record) stopped(stages ...Stage) bool {
	return rec.Status != Pass && rec.Stage != "" && slices.Contains(stages, rec.Stage)
}

// reachedGuest tells whether the matrix needs columns for what happens in a guest: not if all was asked for is a
// build, whose passes have no time in a guest, nor anything else.
func reachedGuest(w row) bool {
	return slices.ContainsFunc(w.cells, func(rec Record) bool {
		t := rec.Timings
		return rec.stopped(StageBoot, StageLoad, StageTest, StageUnload, StageShutdown) || rec.Stage == "" && rec.Status != Pass ||
			len(rec.Specs) > 0 || t.Boot+t.Restore+t.Load+t.Test+t.Unload > 0
	})
}

// atStages is the worst that was decided at one of stages within the row; ok is false when nothing was.
func (w row) atStages(stages ...Stage) (Status, bool) {
	var s Status
	for _, rec := range w.cells {
		if rec.stopped(stages...) {
			s = s.Worse(rec.Status)
		}
	}
	return s, s != ""
}

func buildCell(w row) tableCell {
	kept := w.keptBuild()
	if s, ok := w.atStages(StageFetch, StageBuild); ok {
		c := tableCell{text: string(s), status: s}
		if kept {
			c.more = keptMark
		}
		return c
	}
	var took int64
	built := false
	for _, rec := range w.cells {
		built = built || rec.passed(StageBuild)
		if !rec.Cached && rec.Kept == nil {
			took = max(took, rec.Timings.Build)
		}
	}
	switch {
	case !built:
		return tableCell{text: never}
	case kept:
		return tableCell{text: keptMark}
	case took == 0:
		return tableCell{text: cachedMark}
	}
	return tableCell{text: short(took)}
}

// keptBuild tells whether all that is known of the row's build comes from an earlier run.
func (w row) keptBuild() bool {
	kept := false
	for _, rec := range w.cells {
		if rec.Kept == nil && (rec.passed(StageBuild) || rec.stopped(StageFetch, StageBuild)) {
			return false
		}
		kept = kept || rec.Kept != nil
	}
	return kept
}

func loadCell(w row) tableCell {
	if s, ok := w.atStages(StageBoot, StageLoad); ok {
		return tableCell{text: string(s), status: s}
	}
	for _, rec := range w.cells {
		if rec.passed(StageLoad) {
			return tableCell{text: "ok", status: Pass}
		}
	}
	return tableCell{text: never}
}

// Score is a record in one word or two, as a matrix shows it, with the status that gives its colour.
func (rec Record) Score() (string, Status) {
	c := suiteCell(rec)
	return c.full(), c.status
}

// What marks a verdict that this run did not find itself.
const (
	cachedMark = "(cached)" // nothing that it depends on has changed since it was found
	keptMark   = "(kept)"   // it stands in the run that this one goes on from, and was not asked again
)

// suiteCell is scoreCell, which says so when the verdict is one of an earlier run.
func suiteCell(rec Record) tableCell {
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
func scoreCell(rec Record) tableCell {
	if rec.stopped(StageFetch, StageBuild, StageBoot, StageLoad) {
		return tableCell{text: never}
	}
	count := map[Status]int{}
	for _, s := range rec.Specs {
		count[s.Status]++
	}
	score := fmt.Sprintf("%d/%d", count[Pass], len(rec.Specs))
	switch {
	case rec.Status == Pass && len(rec.Specs) == 0:
		return tableCell{text: "ok", status: Pass}
	case rec.Status == Pass && count[Skip] > 0:
		return tableCell{text: score, more: fmt.Sprintf("%d skipped", count[Skip]), status: Pass}
	case rec.Status == Pass && count[Pass] == len(rec.Specs):
		return tableCell{text: score, status: Pass}
	case rec.Status == Fail && rec.Code == CodeSpecFailed && count[Fail] > 0:
		c := tableCell{text: fmt.Sprintf("%s  %d failed", score, count[Fail]), status: Fail}
		if count[Skip] > 0 {
			c.more = fmt.Sprintf("%d skipped", count[Skip])
		}
		return c
	case rec.Status == Pass: // a pass with specs that did not: our own mistake, and not to be shown in green
		return tableCell{text: score + "  ?", status: Error}
	}
	return tableCell{text: string(rec.Status), status: rec.Status}
}

// cause is why the row is not a pass: the reason of its worst cell that the columns do not already tell.
func (w row) cause() string {
	worst, text := Status(""), ""
	more := 0
	for _, rec := range w.cells {
		if rec.Status == Pass || rec.Code == CodeSpecFailed {
			continue
		}
		reason := rec.why()
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

// why is the reason in one line; a record without one is described by its code, and is never silent.
func (rec Record) why() string {
	switch {
	case rec.Reason != "":
		return Plain(rec.Reason)
	case rec.Code != "":
		return Plain(string(rec.Code))
	}
	return string(rec.Status) + " without a reason"
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
