package report

import (
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// Board is what a live view knows of a run. It is fed with events and drawn by View; it never looks at a clock. It keeps the
// score of a cell and not its record: a record with all its specs, for every cell, is more than a long run should hold.
type Board struct {
	module string
	suites []string
	rows   []*boardRow
	number bool // rows have numbers
	began  time.Time
	ends   time.Time // of the run, as it was last estimated; zero when it was not
	cells  int
	judged map[results.Status]int
}

type boardRow struct {
	label        string
	fetch, build boardStage   // which all suites share
	cells        []*boardCell // in the order of Board.suites
	failed       bool         // a cell of it is FAIL, ERROR or MISS
}

type boardCell struct {
	suite string
	boardStage
	stage results.Stage // the last one that an event named

	verdict results.Status // empty until it is judged
	score   field          // as a matrix shows it
	reason  string
}

type boardStage struct {
	state       results.State // empty: not begun
	since       time.Time
	took        time.Duration
	text        string
	done, total int64
	unit        string // of what is fetched
}

// NewBoard is the board of a run that began then.
func NewBoard(began time.Time) *Board {
	return &Board{began: began, judged: map[results.Status]int{}}
}

// Add brings the board up to date. An event that it does not know changes nothing: none must be able to end a run.
func (b *Board) Add(e results.Event) {
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
			if c.verdict == "" {
				b.judged[e.Record.Status]++
			}
			c.verdict, c.score, c.reason = e.Record.Status, suiteCell(*e.Record), results.Plain(e.Record.Reason)
			row.failed = row.failed || e.Record.Status != results.Pass && e.Record.Status != results.Skip
		}
	}
}

// plan lays the rows out. A plan without a module only fetches, and has no cells to judge.
func (b *Board) plan(e results.Event) {
	b.module = e.Text
	if b.module != "" {
		b.cells = len(e.Cells)
		for _, c := range e.Cells {
			if !slices.Contains(b.suites, c.Suite) {
				b.suites = append(b.suites, c.Suite)
			}
		}
	}
	for _, c := range e.Cells {
		b.row(c.Target)
	}
}

// row finds the row of a target, and makes one for a target that no plan has named (kernels fetch has no plan).
func (b *Board) row(label string) *boardRow {
	if i := slices.IndexFunc(b.rows, func(r *boardRow) bool { return r.label == label }); i >= 0 {
		return b.rows[i]
	}
	r := &boardRow{label: label}
	for _, s := range b.suites {
		r.cells = append(r.cells, &boardCell{suite: s})
	}
	b.rows = append(b.rows, r)
	return r
}

func (r *boardRow) cell(suite string) *boardCell {
	if i := slices.IndexFunc(r.cells, func(c *boardCell) bool { return c.suite == suite }); i >= 0 {
		return r.cells[i]
	}
	return nil
}

func (r *boardRow) add(e results.Event) {
	switch e.Stage {
	case results.StageFetch:
		r.fetch.add(e)
	case results.StageBuild:
		r.build.add(e)
	default:
		if c := r.cell(e.Suite); c != nil {
			c.add(e)
		}
	}
}

func (c *boardCell) add(e results.Event) {
	if e.Guest != "" && e.Kind == results.EventStage && c.stage == results.StageTest {
		return // another guest of the cell is where this one was before: the specs of all say how far it is
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
	specs := c.boardStage
	c.boardStage.add(e)
	if e.Stage == results.StageTest {
		c.text, c.done, c.total = specs.text, specs.done, specs.total
	}
}

func (s *boardStage) add(e results.Event) {
	if s.state == "" || e.State == results.StateStart {
		s.since = e.Time
	}
	s.state, s.text, s.took = e.State, e.Text, e.Elapsed
	s.done, s.total, s.unit = e.Done, e.Total, e.Unit
}

// ended says whether no more events of the stage will come.
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
	judged, started := 0, false
	for _, c := range r.cells {
		if c.verdict != "" {
			judged++
		} else if c.state != "" {
			started = true
		}
	}
	switch all := judged == len(r.cells); {
	case r.failed && all:
		return phaseFailed
	case len(r.cells) > 0 && all, len(r.cells) == 0 && r.fetch.ended():
		return phasePassed
	case r.fetch.busy(), r.build.busy(), started:
		return phaseBusy
	}
	return phaseWaiting
}
