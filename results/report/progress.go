package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// Progress writes a run as lines of text while it goes on: one for each stage that ended and each cell that is judged; with
// Verbose, also for each begin and spec. What takes long gets a line now and then. The zero value is ready.
type Progress struct {
	Verbose  bool
	underway map[stageKey]*underway
}

// stageKey distinguishes what goes on at the same time: target, suite, guest and stage.
type stageKey [4]string

type underway struct {
	last         results.Event
	began, shown time.Time
}

const quietTime = 10 * time.Second

// Add notes e, which came now, and returns its line; empty where it has none.
func (p *Progress) Add(e results.Event, now time.Time) string {
	if p.underway == nil {
		p.underway = map[stageKey]*underway{}
	}
	key := stageKey{e.Target, e.Suite, e.Guest, string(e.Stage)}
	u, known := p.underway[key]
	switch {
	case e.Kind == results.EventRecord:
		maps.DeleteFunc(p.underway, func(k stageKey, _ *underway) bool { return k[0] == e.Target && k[1] == e.Suite })
	case e.Kind == results.EventStage && e.State == results.StateStart:
		p.underway[key] = &underway{e, now, now}
	case known && (e.Kind == results.EventSpec || e.State == results.StateProgress):
		u.last = e
	case e.Kind == results.EventStage:
		delete(p.underway, key)
	}
	return p.line(e)
}

// Long returns a line for each stage that has gone on for long without one.
func (p *Progress) Long(now time.Time) (lines []string) {
	for _, key := range slices.SortedFunc(maps.Keys(p.underway), func(a, b stageKey) int { return slices.Compare(a[:], b[:]) }) {
		if u := p.underway[key]; now.Sub(u.shown) >= quietTime {
			u.shown = now
			lines = append(lines, stageLine(u.last, "… "+Seconds(now.Sub(u.began))+howFar(u.last)))
		}
	}
	return lines
}

func howFar(e results.Event) string {
	switch {
	case e.Kind == results.EventSpec:
		return "  " + specLine(e)
	case e.State != results.StateProgress:
		return ""
	case e.Total > 0:
		return "  " + results.Plain(e.Text) + " " + amount(e.Done, e.Total, e.Unit)
	}
	return "  " + results.Plain(e.Text)
}

func specLine(e results.Event) string {
	total := max(e.Total, 1)
	return fmt.Sprintf(`spec %d/%d "%s"`, min(e.Done+1, total), total, results.Plain(e.Text))
}

// amount is how much of something there is by now: bytes as people count them, all else by the piece.
func amount(done, total int64, unit string) string {
	if unit == results.UnitBytes {
		return Bytes(done) + " of " + Bytes(total)
	}
	return strings.TrimRight(fmt.Sprintf("%d of %d %s", done, total, results.Plain(unit)), " ")
}

// stageLine says something of what e is about. Of several guests of a cell it names the one.
func stageLine(e results.Event, text string) string {
	what := strings.TrimSpace(e.Suite + " " + string(e.Stage))
	if e.Guest != "" && e.Kind != results.EventSpec {
		text = fmt.Sprintf(`%-8s  of "%s"`, text, results.Plain(e.Guest))
	}
	return fmt.Sprintf("%-28s  %-18s  %s", results.Plain(e.Target), results.Plain(what), text)
}

func (p *Progress) line(e results.Event) string {
	switch {
	case e.Kind == results.EventNotice:
		return Note(e.Text)
	case e.Kind == results.EventRound && e.Round != nil:
		return roundLine(e)
	case e.Kind == results.EventRecord && e.Record != nil:
		return stageLine(e, verdictLine(*e.Record))
	case e.Kind == results.EventSpec && p.Verbose && e.State == results.StateStart:
		return stageLine(e, specLine(e))
	case e.Kind != results.EventStage:
		return ""
	case e.State == results.StateStart && p.Verbose:
		return stageLine(e, "begins")
	case e.State == results.StateDone && e.Elapsed > 0:
		return stageLine(e, Seconds(e.Elapsed))
	case e.State == results.StateDone:
		return stageLine(e, "done")
	case e.State == results.StateCached:
		return stageLine(e, cachedMark)
	case e.State == results.StateFailed:
		return stageLine(e, "FAILED  "+results.Plain(e.Text))
	}
	return ""
}

// Note is the line of a notice.
func Note(text string) string { return "note  " + results.Plain(text) }

// verdictLine is a record in one line: the status, the score where there is one, and why.
func verdictLine(rec results.Record) string {
	text := string(rec.Status)
	if rec.Status == results.Pass {
		if score := suiteCell(rec).full(); score != text {
			text += "  " + score
		}
		return text
	}
	if rec.Kept != nil {
		text += "  " + keptMark
	}
	if rec.Reason != "" {
		text += "  " + results.Plain(rec.Reason)
	}
	return text
}
