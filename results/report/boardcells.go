package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// name is the mark of the row's phase and the target's name.
func (r *boardRow) name(f Frame) field {
	name := ansi.Truncate(results.Plain(r.label), maxLabel, "…")
	switch r.phase() {
	case phaseBusy:
		return field{text: f.spin() + " " + name, ink: "busy"}
	case phaseFailed:
		return field{text: "✗ " + name, ink: "FAIL"}
	case phasePassed:
		if r.skipped() {
			return field{text: never + " " + name, ink: "dim"}
		}
		return field{text: "✓ " + name, ink: "PASS"}
	}
	return field{text: waiting + " " + name, ink: "dim"}
}

// skipped says whether nothing was tested in the row: that is no success.
func (r *boardRow) skipped() bool {
	tested := func(c *boardCell) bool { return c.verdict != results.Skip }
	return len(r.cells) > 0 && !slices.ContainsFunc(r.cells, tested)
}

func (r *boardRow) stage(s *boardStage) field {
	switch {
	case s.state == results.StateDone && s.took >= 50*time.Millisecond:
		return field{text: fmt.Sprintf("%.1fs", s.took.Seconds())}
	case s.state == results.StateDone:
		return field{text: "ok"}
	case s.state == results.StateCached:
		return field{text: "cached", ink: "dim"}
	case s.state == results.StateFailed:
		return field{text: "FAIL", ink: "FAIL"}
	case s.state == results.StateProgress && s.total > 0:
		return field{text: percent(s.done, s.total), ink: "busy"}
	case s.state != "":
		return field{text: "…", ink: "busy"}
	case r.phase() == phaseFailed || r.phase() == phasePassed:
		return field{text: never, ink: "dim"}
	}
	return field{text: waiting, ink: "dim"}
}

func percent(done, total int64) string {
	return fmt.Sprintf("%d%%", min(max(done, 0)*100/max(total, 1), 100))
}

// suite is one cell: its score once it is judged, and how far it is until then.
func (r *boardRow) suite(i int) field {
	if i >= len(r.cells) {
		return field{text: waiting, ink: "dim"}
	}
	c := r.cells[i]
	switch {
	case c.verdict != "":
		short, _, _ := strings.Cut(c.score.full(), " ") // the colour says the rest
		return field{text: short, ink: c.score.ink}
	case c.state == "":
		return field{text: waiting, ink: "dim"}
	case c.stage == results.StageTest && c.total > 0:
		return field{text: fmt.Sprintf("%d/%d", c.done, c.total), ink: "busy"}
	}
	return field{text: string(c.stage), ink: "busy"}
}

// doing says what goes on in the row now, with how long it takes already; short names the suite in it.
func (r *boardRow) doing(f Frame, short bool) field {
	if s := &r.fetch; s.busy() {
		text := cmp.Or(results.Plain(s.text), "fetching")
		switch {
		case s.total > 0 && s.unit != "":
			text = amount(s.done, s.total, s.unit) + " " + text
		case s.total > 0:
			text = percent(s.done, s.total) + " " + text
		}
		return field{text: text + f.since(s)}
	}
	if r.build.busy() {
		return field{text: "building" + f.since(&r.build)}
	}
	for _, c := range r.cells {
		if c.verdict == "" && c.state != "" && (c.busy() || !r.othersBusy(c)) {
			return c.doing(f, short, r.othersBusy(c))
		}
	}
	return r.outcome(short)
}

func (r *boardRow) othersBusy(c *boardCell) bool {
	return slices.ContainsFunc(r.cells, func(o *boardCell) bool { return o != c && o.verdict == "" && o.busy() })
}

var doingWords = map[results.Stage]string{results.StageBoot: "booting", results.StageLoad: "loading", results.StageTest: "testing",
	results.StageUnload: "unloading", results.StageShutdown: "powering off"}

// doing says what goes on in the cell; short leaves the names of specs out.
func (c *boardCell) doing(f Frame, short, named bool) field {
	text := doingWords[c.stage]
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
	return field{text: text + f.since(&c.boardStage)}
}

// outcome is the reason of the worst cell of the row, or with short the scores, which have no columns then.
func (r *boardRow) outcome(short bool) field {
	var worst boardCell
	var scores []string
	for _, c := range r.cells {
		if c.verdict != "" {
			scores = append(scores, c.score.full())
		}
		if worst.verdict.Worse(c.verdict) != worst.verdict {
			worst = *c
		}
	}
	switch {
	case worst.verdict == results.Pass && short:
		return field{text: strings.Join(scores, " "), ink: "PASS"}
	case worst.verdict == results.Pass || worst.verdict == "":
		return field{}
	case short:
		return field{text: strings.TrimSpace(string(worst.verdict) + " " + worst.reason), ink: ink(worst.verdict)}
	}
	return field{text: worst.reason, ink: ink(worst.verdict)}
}

// since says how long a stage runs, from the third second on: what is over at once is not worth reading.
func (f Frame) since(s *boardStage) string {
	if d := f.Now.Sub(s.since); !s.since.IsZero() && d >= 3*time.Second {
		return " " + clock(d)
	}
	return ""
}
