package main

import (
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// board is what a live view knows of a run. It is fed with events and drawn by view; it never looks at a clock.
type board struct {
	module string
	suites []string
	rows   []*boardRow
	began  time.Time // of the first event
	ends   time.Time // of the run, as it was last foretold; zero when it was not
	cells  int
	judged map[results.Status]int
}

// boardRow is one target.
type boardRow struct {
	label  string
	stages map[results.Stage]*boardStage // fetch and build, which all suites share
	cells  []*boardCell                  // in the order of board.suites
	failed bool                          // a cell of it is FAIL, ERROR or MISS
}

// boardCell is one suite on the target.
type boardCell struct {
	suite string
	boardStage
	stage   results.Stage // the last one that was heard of
	verdict *boardVerdict // nil until it is judged
}

// boardVerdict is what a board shows of a record: a record with all its specs, for every cell, is more than a long run should hold.
type boardVerdict struct {
	status results.Status
	score  string         // as a matrix shows it
	colour results.Status // of the score
	reason string
}

func verdictOf(rec *results.Record) *boardVerdict {
	score, colour := rec.Score()
	return &boardVerdict{status: rec.Status, score: score, colour: colour, reason: results.Plain(rec.Reason)}
}

// boardStage is how far a stage is.
type boardStage struct {
	state       results.State // empty: not begun
	since       time.Time
	took        time.Duration
	text        string
	done, total int64
	unit        string // of what is fetched
}

func newBoard() *board {
	return &board{judged: map[results.Status]int{}}
}

// add takes an event in. What it does not know it ignores: an event must never be able to end a run.
func (b *board) add(e results.Event) {
	if b.began.IsZero() {
		b.began = e.Time
	}
	if e.Kind == results.EventPlan || e.Kind == results.EventRecord {
		b.ends = time.Time{}
		if e.Left > 0 {
			b.ends = e.Time.Add(e.Left)
		}
	}
	switch e.Kind {
	case results.EventPlan:
		b.plan(e)
	case results.EventStage, results.EventSpec:
		b.row(e.Target).add(e)
	case results.EventRecord:
		row := b.row(e.Target)
		if c := row.cell(e.Suite); c != nil && e.Record != nil {
			if c.verdict == nil {
				b.judged[e.Record.Status]++
			}
			c.verdict = verdictOf(e.Record)
			row.failed = row.failed || e.Record.Status != results.Pass && e.Record.Status != results.Skip
		}
	}
}

// plan lays the rows out. A plan without a module only fetches, and has no cells to judge.
func (b *board) plan(e results.Event) {
	b.module = e.Text
	if b.module != "" {
		b.cells = len(e.Cells)
	}
	for _, c := range e.Cells {
		if b.module != "" && !slices.Contains(b.suites, c.Suite) {
			b.suites = append(b.suites, c.Suite)
		}
	}
	for _, c := range e.Cells {
		b.row(c.Target)
	}
}

// row finds the row of a target, and makes one for a target that no plan has named (kernels fetch has no plan).
func (b *board) row(label string) *boardRow {
	for _, r := range b.rows {
		if r.label == label {
			return r
		}
	}
	r := &boardRow{label: label, stages: map[results.Stage]*boardStage{results.StageFetch: {}, results.StageBuild: {}}}
	for _, s := range b.suites {
		r.cells = append(r.cells, &boardCell{suite: s})
	}
	b.rows = append(b.rows, r)
	return r
}

func (r *boardRow) cell(suite string) *boardCell {
	for _, c := range r.cells {
		if c.suite == suite {
			return c
		}
	}
	return nil
}

func (r *boardRow) add(e results.Event) {
	if s, shared := r.stages[e.Stage]; shared {
		s.add(e)
		return
	}
	c := r.cell(e.Suite)
	if c == nil {
		return
	}
	if e.Guest != "" && e.Kind == results.EventStage && c.stage == results.StageTest {
		return // another guest of the cell is where this one was before: the specs of all tell how far it is
	}
	if c.stage != e.Stage {
		c.stage = e.Stage
		c.boardStage = boardStage{done: c.done, total: c.total}
	}
	if e.Kind == results.EventSpec {
		if e.State != results.StateDone || c.text == "" { // the name stays until the next spec, lest it flickers
			c.text = e.Text
		}
		c.done, c.total = e.Done, e.Total
		c.state = results.StateProgress
		return
	}
	text, done, total := c.text, c.done, c.total
	c.boardStage.add(e)
	if e.Stage == results.StageTest {
		c.text, c.done, c.total = text, done, total
	}
}

func (s *boardStage) add(e results.Event) {
	if s.state == "" || e.State == results.StateStart {
		s.since = e.Time
	}
	s.state, s.text, s.took = e.State, e.Text, e.Elapsed
	s.done, s.total, s.unit = e.Done, e.Total, e.Unit
}

// ended tells whether nothing more will come of the stage.
func (s *boardStage) ended() bool {
	return s.state == results.StateDone || s.state == results.StateCached || s.state == results.StateFailed
}

func (s *boardStage) busy() bool { return s.state != "" && !s.ended() }

// phase is where a row is in its life; it decides what stays in view when there is no room for all.
type phase int

const (
	phaseBusy phase = iota
	phaseFailed
	phaseWaiting
	phasePassed
)

func (r *boardRow) phase() phase {
	judged := 0
	for _, c := range r.cells {
		if c.verdict != nil {
			judged++
		}
	}
	fetch, build := r.stages[results.StageFetch], r.stages[results.StageBuild]
	switch {
	case r.failed && judged == len(r.cells):
		return phaseFailed
	case len(r.cells) > 0 && judged == len(r.cells), len(r.cells) == 0 && fetch.ended():
		return phasePassed
	case fetch.busy(), build.busy(), slices.ContainsFunc(r.cells, func(c *boardCell) bool { return c.state != "" && c.verdict == nil }):
		return phaseBusy
	}
	return phaseWaiting
}
