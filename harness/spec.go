package harness

import (
	"errors"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// Lifecycle is the name of the built-in suite that fits every module.
const Lifecycle = "lifecycle"

// DefaultKernels are the selectors of a run that names none: the newest kernel of every Debian series still in use.
var DefaultKernels = []string{"debian:bullseye", "debian:bookworm", "debian:trixie", "debian:trixie-backports"}

// Spec is what the user asks for, defaults filled in: modmatrix.toml and the flags, merged. It is plain data.
type Spec struct {
	Module        string        // the module's folder, package, archive or REPOSITORY@REVISION
	Depends       []string      // packages that the module builds upon, in the same forms
	Kernels       []string      // selectors, as typed
	Required      []string      // those of the selectors whose kernels must not be missing: then a MISS is an ERROR
	Lock          string        // path of a Lock that may be there; empty: none
	Locked        bool          // every selector must be pinned in it
	Suites        []string      // Lifecycle, or folders of Ginkgo packages
	Params        []string      // "name=value", given to the module at every load
	Make          []string      // "NAME=VALUE", added to make's command line
	Focus         string        // run only specs whose name matches this regular expression; empty runs all
	Out           string        // folder of the results
	Timeout       time.Duration // for one guest from power-on to power-off; zero means ten minutes
	Jobs          int           // builds and guests at once; zero means one for each CPU
	MemoryMiB     int           // of a guest; zero means 256
	CPUs          int           // of a guest; zero means 1
	Devices       []string      // stand-ins for hardware in the guest: rows of QEMU's -device, see vm.CheckDevice
	Plugs         []string      // stand-ins that suites plug in and pull: "NAME=ROW", see vm.Plug
	Modules       []string      // of the kernel's own, to load before the module; a kernel without one is skipped
	RequireKVM    bool          // fail rather than fall back to emulation
	Offline       bool          // never touch the network
	Count         int           // guests for each cell, one after the other; the worst decides. Zero means one; more than one is never cached
	Retries       int           // guests more for a cell that fails; one of them that passes makes it flaky, never a pass
	Resume        bool          // go on with the run that Out holds
	New           bool          // run only the kernels that are not what they were in the run that Out holds
	Isolate       string        // IsolateSuite, IsolateSpec or IsolateNone; empty means IsolateSuite
	DeferInTree   bool          // skip a kernel that brings the module itself, no older than this one
	CompareInTree bool          // run the kernel's own copy of the module as well, where it has one; excludes DeferInTree
	NoCache       bool          // run every guest, even where the same cell passed before
	BuildOnly     bool          // stop after the build; a module that built is a PASS
	Mirror        string        // of the Debian archive; empty: as the host's own apt sources say
	SecurityURL   string        // of the Debian security archive; likewise
	Asked         results.Asked // how the results say that they were asked for
}

// UsageError is a mistake of the caller: bad configuration, unknown suite, a folder without a module (exit code 2).
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// ErrNothingMatched says that the plan is empty (exit code 4).
var ErrNothingMatched = errors.New("nothing matched")

// EventKind says what an Event tells.
type EventKind string

// The kinds of events.
const (
	EventPlan     EventKind = "plan"     // the plan is made: Cells
	EventNotice   EventKind = "notice"   // Text is something the user should know
	EventStage    EventKind = "stage"    // Stage of Target (and Suite, from boot on) began, went on, or ended: State
	EventSpec     EventKind = "spec"     // a spec began or ended in the guest: Text names it, Done of Total are behind it
	EventRecord   EventKind = "record"   // a cell is judged: Record
	EventFinished EventKind = "finished" // the run is over: Results
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

// Event is one thing that happened in a run. Events come in the order in which things happen and may be written
// as JSON Lines; all of a run come from one goroutine at a time.
type Event struct {
	Schema  string           `json:"schema"` // EventSchema
	Time    time.Time        `json:"time"`
	Kind    EventKind        `json:"kind"`
	Target  string           `json:"target,omitempty"` // Cell.Target.Label: the release, or the selector before it is resolved
	Suite   string           `json:"suite,omitempty"`
	Guest   string           `json:"guest,omitempty"` // which of the cell's guests, where it has several: the first spec that runs in it
	Stage   results.Stage    `json:"stage,omitempty"`
	State   State            `json:"state,omitempty"`
	Text    string           `json:"text,omitempty"`
	Done    int64            `json:"done,omitempty"`  // of Unit while fetching, specs while testing
	Total   int64            `json:"total,omitempty"` // zero when it is not known
	Unit    string           `json:"unit,omitempty"`  // while fetching: "bytes", or what else is counted
	Elapsed time.Duration    `json:"elapsed_ns,omitempty"`
	Left    time.Duration    `json:"left_ns,omitempty"` // of the whole run, by earlier runs; zero when nobody can tell
	Cells   []Cell           `json:"cells,omitempty"`
	Record  *results.Record  `json:"record,omitempty"`
	Results *results.Results `json:"results,omitempty"`
}

// EventSchema names the format of events written as JSON Lines.
const EventSchema = "modmatrix.event/v1"

// Cell is the unit that is planned, run and judged: one target with one suite.
type Cell struct {
	Target string `json:"target"` // label: the release, with +PROFILE where it has one
	Suite  string `json:"suite"`  // name: "lifecycle", or the base name of the suite's folder
}
