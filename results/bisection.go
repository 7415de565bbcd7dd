package results

import (
	"slices"
	"time"
)

// BisectionSchema names the format of a Bisection written as JSON.
const BisectionSchema = "modmatrix.bisection/v1"

// Bisection says on which release a module first fails (bisect).
type Bisection struct {
	Schema  string   `json:"schema"`
	Module  Module   `json:"module"`
	Good    Step     `json:"last_good"`
	Bad     Step     `json:"first_bad"`
	Between []Step   `json:"between"` // releases that could not be tested; none: the answer is exact
	Steps   []Step   `json:"steps"`   // what was tested, in that order
	Folder  string   `json:"folder"`  // with a results.json that holds the first bad kernel
	Changes []Change `json:"changes"` // what differs between the two in the names at which the build failed
}

// Step is one kernel of a bisection and the outcome of its test.
type Step struct {
	Selector string        `json:"-"`                 // names the kernel on a command line
	Release  string        `json:"release"`           // as a matrix names it
	Version  string        `json:"version"`           // X.Y.Z
	Missing  string        `json:"missing,omitempty"` // why it cannot be tested; empty: it can
	Outcome  Outcome       `json:"outcome"`
	Stage    Stage         `json:"stage,omitempty"`
	Code     Code          `json:"code,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Results  string        `json:"results,omitempty"` // folder with results.json; empty where nothing was run
	Elapsed  time.Duration `json:"elapsed_ns"`
	ToGo     int           `json:"to_go"`           // tests that are left at most
	Broke    bool          `json:"broke,omitempty"` // untestable because of our infrastructure: another time it may work
}

// Outcome is what the test of one kernel showed.
type Outcome string

// The outcomes. The zero value: it was not tested.
const (
	Good       Outcome = "good"       // the module works
	Bad        Outcome = "bad"        // the module is at fault
	Untestable Outcome = "untestable" // neither is known, because of our infrastructure or of the kernel
)

// Broke says that another time the answer may be more exact: the infrastructure failed on a release in between.
func (b *Bisection) Broke() bool {
	return slices.ContainsFunc(b.Between, func(s Step) bool { return s.Broke })
}
