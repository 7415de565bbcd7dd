package results

import (
	"encoding/json"
	"io"
	"time"
)

// Cell is the unit that is planned, run and judged: one target with one suite.
type Cell struct {
	Target string `json:"target"` // label: the release, with +PROFILE where it has one
	Suite  string `json:"suite"`  // name: "lifecycle", or the base name of the suite's folder
}

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	EventPlan     EventKind = "plan"     // the plan is made: Cells
	EventNotice   EventKind = "notice"   // Text is something the user should know
	EventStage    EventKind = "stage"    // Stage of Target (and Suite, from boot on) began, went on, or ended: State
	EventSpec     EventKind = "spec"     // a spec began or ended in the guest: Text names it, Done of Total are behind it
	EventRecord   EventKind = "record"   // a cell is judged: Record
	EventEvidence EventKind = "evidence" // what the evidence of the run will hold: Evidence
	EventFinished EventKind = "finished" // the run is over: Results
	EventRound    EventKind = "round"    // a run of watch begins (StateStart), came to its end (StateDone) or to none (StateFailed, Text says why): Round
)

// State says how far a stage is.
type State string

// The states of a stage.
const (
	StateStart    State = "start"
	StateProgress State = "progress" // Text, Done and Total say how far
	StateDone     State = "done"     // Elapsed says how long it took
	StateCached   State = "cached"   // done, from a cache
	StateFailed   State = "failed"   // Text says why in one line
)

// UnitBytes is the Unit of an event that counts bytes.
const UnitBytes = "bytes"

// EventSchema names the format of events written as JSON Lines.
const EventSchema = "modmatrix.event/v1"

// Event is one thing that happened in a run. They come in their order, from one goroutine at a time, and may be JSON Lines.
type Event struct {
	Schema  string        `json:"schema"` // EventSchema
	Time    time.Time     `json:"time"`
	Kind    EventKind     `json:"kind"`
	Target  string        `json:"target,omitempty"` // Target.Label: the release, or the selector before it is resolved
	Suite   string        `json:"suite,omitempty"`
	Guest   string        `json:"guest,omitempty"` // which of the cell's guests, where it has several: the first spec that runs in it
	Stage   Stage         `json:"stage,omitempty"`
	State   State         `json:"state,omitempty"`
	Text    string        `json:"text,omitempty"`
	Done    int64         `json:"done,omitempty"`  // of Unit while fetching, specs while testing
	Total   int64         `json:"total,omitempty"` // zero when it is not known
	Unit    string        `json:"unit,omitempty"`  // while fetching: UnitBytes, or what else is counted
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
	Left    time.Duration `json:"left_ns,omitempty"` // of the whole run, by earlier runs; zero when it is not known
	Cells   []Cell        `json:"cells,omitempty"`
	Record  *Record       `json:"record,omitempty"`
	Results *Results      `json:"results,omitempty"`

	Evidence *EvidenceNote `json:"evidence,omitempty"`
	Round    *Round        `json:"round,omitempty"`
}

// Round is one run of many, which watch begins when what it watches has changed.
type Round struct {
	Number  int      `json:"number"`            // from 1
	Changed []string `json:"changed,omitempty"` // what was saved before it, as seen from the module's folder; not all, where that is much
	Only    string   `json:"only,omitempty"`    // what the user narrowed it to: a kernel, specs, what failed; empty: it has all
	Status  Status   `json:"status,omitempty"`  // at its end, of all its cells together
	Was     Status   `json:"was,omitempty"`     // that of the round before
}

// EvidenceNote says what an evidence file will hold, before it is written.
type EvidenceNote struct {
	File     string         `json:"file"` // where it will lie
	Files    []EvidenceFile `json:"files"`
	Scrubbed []ScrubCount   `json:"scrubbed,omitempty"`  // what was taken out, as it says whose machine it is
	Cut      []EvidenceCut  `json:"cut,omitempty"`       // logs that are not in it as a whole
	Key      string         `json:"key,omitempty"`       // fingerprint of the key that signs it; empty: unsigned
	TestedBy string         `json:"tested_by,omitempty"` // who agrees to be named; empty: nobody
}

// EvidenceFile is a file in an evidence file.
type EvidenceFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // in bytes
}

// EvidenceCut is a log that was too long.
type EvidenceCut struct {
	Name  string `json:"name"`
	Lines int    `json:"lines"` // that were left out of its middle; zero: it was left out as a whole
}

// JSON writes e as a line. As in results.json, lists are never null.
func (e Event) JSON(w io.Writer) error {
	if e.Record != nil {
		rec := e.Record.noNull()
		e.Record = &rec
	}
	if e.Results != nil {
		whole := *e.Results
		whole.Records = []Record{}
		for _, rec := range e.Results.Records {
			whole.Records = append(whole.Records, rec.noNull())
		}
		e.Results = &whole
	}
	return json.NewEncoder(PlainJSON(w)).Encode(e)
}

// Check is one thing that a run needs, and whether it is there (doctor).
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`             // false: no run can work before it is cured
	Text string `json:"text"`           // what was found
	Cure string `json:"cure,omitempty"` // what to do
}
