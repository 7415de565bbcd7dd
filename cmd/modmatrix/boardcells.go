package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// label is the mark of the row's phase and the target's name.
func (f frame) label(r *boardRow) field {
	name := ansi.Truncate(results.Plain(r.label), maxLabel, "…")
	switch r.phase() {
	case phaseBusy:
		return field{string(f.spin()) + " " + name, "busy"}
	case phaseFailed:
		return field{"✗ " + name, "FAIL"}
	case phasePassed:
		if r.skipped() {
			return field{never + " " + name, "dim"}
		}
		return field{"✓ " + name, "PASS"}
	}
	return field{waiting + " " + name, "dim"}
}

// skipped tells a row of which nothing was tested: that is no success.
func (r *boardRow) skipped() bool {
	tested := func(c *boardCell) bool { return c.verdict == nil || c.verdict.status != results.Skip }
	return len(r.cells) > 0 && !slices.ContainsFunc(r.cells, tested)
}

func stageColumn(stage results.Stage) func(frame, *boardRow) field {
	return func(f frame, r *boardRow) field {
		s := r.stages[stage]
		switch {
		case s.state == results.StateDone && s.took >= 50*time.Millisecond:
			return field{fmt.Sprintf("%.1fs", s.took.Seconds()), "plain"}
		case s.state == results.StateDone:
			return field{"ok", "plain"}
		case s.state == results.StateCached:
			return field{"cached", "dim"}
		case s.state == results.StateFailed:
			return field{"FAIL", "FAIL"}
		case s.state == results.StateProgress && s.total > 0:
			return field{percent(s.done, s.total), "busy"}
		case s.state != "":
			return field{"…", "busy"}
		case r.phase() == phaseFailed || r.phase() == phasePassed:
			return field{never, "dim"}
		}
		return field{waiting, "dim"}
	}
}

func percent(done, total int64) string {
	return fmt.Sprintf("%d%%", min(max(done, 0)*100/max(total, 1), 100))
}

// suite is one cell: its score once it is judged, and how far it is until then.
func (r *boardRow) suite(i int) field {
	if i >= len(r.cells) {
		return field{waiting, "dim"}
	}
	c := r.cells[i]
	switch {
	case c.verdict != nil:
		short, _, _ := strings.Cut(c.verdict.score, " ") // the colour says the rest
		return field{short, string(c.verdict.colour)}
	case c.state == "":
		return field{waiting, "dim"}
	case c.stage == results.StageTest && c.total > 0:
		return field{fmt.Sprintf("%d/%d", c.done, c.total), "busy"}
	}
	return field{string(c.stage), "busy"}
}

// doing says what goes on in the row now, with how long it takes already; short names the suite in it.
func (r *boardRow) doing(f frame, short bool) field {
	if s := r.stages[results.StageFetch]; s.busy() {
		text := strings.TrimSpace(results.Plain(s.text))
		if text == "" {
			text = "fetching"
		}
		switch {
		case s.total > 0 && s.unit != "":
			text = amount(s.done, s.total, s.unit) + " " + text
		case s.total > 0:
			text = percent(s.done, s.total) + " " + text
		}
		return field{text + f.since(s), "plain"}
	}
	if s := r.stages[results.StageBuild]; s.busy() {
		return field{"building" + f.since(s), "plain"}
	}
	for _, c := range r.cells {
		if c.verdict == nil && c.state != "" && (c.busy() || !r.othersBusy(c)) {
			return c.doing(f, short, r.othersBusy(c))
		}
	}
	return r.outcome(short)
}

func (r *boardRow) othersBusy(c *boardCell) bool {
	return slices.ContainsFunc(r.cells, func(o *boardCell) bool { return o != c && o.verdict == nil && o.busy() })
}

// doing says what goes on in the cell; short leaves the names of specs out.
func (c *boardCell) doing(f frame, short, named bool) field {
	words := map[results.Stage]string{results.StageBoot: "booting", results.StageLoad: "loading", results.StageUnload: "unloading",
		results.StageShutdown: "powering off", results.StageTest: "testing"}
	text := words[c.stage]
	switch {
	case c.stage != results.StageTest || c.text == "":
	case short:
		text = fmt.Sprintf("%d/%d", c.done, max(c.total, c.done))
	default:
		text = `"` + results.Plain(c.text) + `"`
	}
	if (named || short) && c.suite != "" {
		text = results.Plain(c.suite) + " " + text
	}
	return field{text + f.since(&c.boardStage), "plain"}
}

// outcome is the reason of the worst cell of the row, or with short the scores, which have no columns then.
func (r *boardRow) outcome(short bool) field {
	var worst *boardVerdict
	var scores []string
	for _, c := range r.cells {
		if c.verdict == nil {
			continue
		}
		scores = append(scores, c.verdict.score)
		if worst == nil || worst.status.Worse(c.verdict.status) != worst.status {
			worst = c.verdict
		}
	}
	if worst == nil {
		return field{}
	}
	if worst.status == results.Pass {
		if short {
			return field{strings.Join(scores, " "), "PASS"}
		}
		return field{}
	}
	text := worst.reason
	if short {
		text = strings.TrimSpace(string(worst.status) + " " + text)
	}
	return field{text, string(worst.status)}
}

// since tells how long a stage runs, from the third second on: what is over at once is not worth reading.
func (f frame) since(s *boardStage) string {
	seconds := int(f.now.Sub(s.since).Seconds())
	if s.since.IsZero() || seconds < 3 {
		return ""
	}
	return " " + clock(seconds)
}
