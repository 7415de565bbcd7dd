// Package wire is the protocol between host and guest: the plan that goes in as a file, the frames that come out on a
// serial port, and the markers that the guest writes into the kernel log.
//
// Both ends are built from this package, so they cannot disagree. It must never know how either end works.
// The guest is not trusted: whatever comes out of it is bounded here, and judged elsewhere.
package wire

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Paths in the guest, fixed so that suites, PID 1 and the host agree on them.
const (
	PayloadDir = "/payload"           // the cell's files
	PlanPath   = "/payload/plan.json" // the Plan
	ModuleDir  = "/payload/modules"   // the module under test and its dependencies
	SuitePath  = "/payload/suite.test"
	SuiteDir   = "/payload/suites" // with a shell: the suites to run by hand, each by its name
	// FirmwareDir is where request_firmware finds its files: /lib/firmware leads there.
	FirmwareDir = "/payload/firmware"
	BaseDir     = "/base" // modules loaded before the guest is ready: what its channels need
)

// EnvReportFD names the descriptor for a suite process's frames to PID 1, and EnvAckFD that of their acknowledgements; see
// PipeWriter. In a shell, each is the path of a named pipe, see OpenPipe. Neither is set where specs are only listed, and outside of
// modmatrix.
const (
	EnvReportFD = "MODMATRIX_REPORT_FD"
	EnvAckFD    = "MODMATRIX_ACK_FD"
)

// NonceArg is the kernel argument with the nonce for what a guest sends before it has a plan.
const NonceArg = "modmatrix.nonce="

// SeedSize is the number of random bytes in the Seed of a plan.
const SeedSize = 64

// The stages that frames and markers name, as package results spells them.
const (
	StageBoot     = "boot"
	StageLoad     = "load"
	StageTest     = "test"
	StageUnload   = "unload"
	StageShutdown = "shutdown"
)

// Plan is everything that the guest is to do. The zero value does nothing and powers off.
type Plan struct {
	Nonce        string   `json:"nonce"`           // repeated in every frame: proof that a frame is of this run
	Target       Target   `json:"target"`          // what the host means to have booted
	Time         int64    `json:"time"`            // nanoseconds since the Unix epoch, to set the guest's clock by
	Dependencies []string `json:"dependencies"`    // the kernel's own modules to load first, as paths in load order
	Modules      []Module `json:"modules"`         // the modules under test, in load order; for the suites, those that are loaded
	Spare        []Module `json:"spare,omitempty"` // further modules that were built with them: loaded where the kernel asks for one
	Given        []string `json:"given,omitempty"` // the kernel's own modules that it asked for in another guest: loaded first of all, as far as they load
	Asked        []string `json:"asked,omitempty"` // the names that Given provides
	Plugs        []string `json:"plugs,omitempty"` // names of the devices that may be asked for with KindPlug
	Await        []string `json:"await,omitempty"` // devices that the host hands over, "BUS:VVVV:PPPP" each: nothing is loaded before they are there
	Interactive  bool     `json:"interactive"`     // open a shell on the third serial port instead of running a suite
	Debug        string   `json:"debug,omitempty"` // the kernel's function to report with KindDebug; nothing under test is loaded before the answer
	Here         *Here    `json:"here,omitempty"`  // nil in a guest
	Seed         []byte   `json:"seed"`            // random bytes for the kernel's generator: clones of one template would all draw the same numbers

	// Suites are run one after the other in the same guest, a round for each: load, test, unload. Without any there is
	// one round that only loads and unloads. The specs of all of them are reported before the first load. A round after
	// which a module is still loaded is the last: those behind it never begin.
	Suites []Suite `json:"suites,omitempty"`
	List   bool    `json:"list,omitempty"` // only report the specs of the suites: load nothing

	// PatienceMS is for how long a thread may make no progress before PID 1 reports a KindStuck, in milliseconds; zero: for ever.
	PatienceMS int64 `json:"patience_ms,omitempty"`
	// SettleMS is how many milliseconds the kernel gets after a suite and after unloading, so that faults of late timers
	// and work still fall into the stage that started these; zero means the guest's default.
	SettleMS int64 `json:"settle_ms,omitempty"`
}

// ReadPlan reads the plan at path. With an error, no more than the Nonce is set.
func ReadPlan(path string) (Plan, error) {
	var p Plan
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return Plan{Nonce: p.Nonce}, fmt.Errorf("read plan: %w", err)
	}
	return p, nil
}

// Target is what a suite may know of the kernel it runs on.
type Target struct {
	Release string `json:"release"` // uname -r
	Version string `json:"version"` // X.Y.Z
	Arch    string `json:"arch"`    // uname -m
	Flavour string `json:"flavour"`
}

// Module is one module under test.
type Module struct {
	Name     string   `json:"name"`              // as in /proc/modules
	Path     string   `json:"path"`              // of the .ko, in the guest
	Params   []string `json:"params"`            // "name=value", given when it is loaded
	Declared []Param  `json:"declared"`          // every parameter that the module declares
	Needs    []string `json:"needs,omitempty"`   // the modules of the plan that it depends on
	Aliases  []string `json:"aliases,omitempty"` // patterns of the names that modprobe loads it for, besides its own
}

// Answers reports whether modprobe loads m for name.
func (m Module) Answers(name string) bool {
	return ModuleName(name) == m.Name || slices.ContainsFunc(m.Aliases, func(pattern string) bool { return MatchAlias(pattern, name) })
}

// ModuleName is a module's name as the kernel spells it, with '_' for '-' (Linux scripts/Makefile.lib, name-fix-token).
func ModuleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// Param is a module parameter as .modinfo declares it.
type Param struct {
	Name string `json:"name"`
	Type string `json:"type"` // "int", "bool", "charp", "array of int" …; empty when not declared
	Desc string `json:"desc"`
}

// Suite is a test binary to run.
type Suite struct {
	Name      string   `json:"name"`
	Path      string   `json:"path"`
	Args      []string `json:"args"`       // behind PID 1's own flags
	TimeoutMS int64    `json:"timeout_ms"` // of the suite process; zero means one minute
	Known     []Spec   `json:"known"`      // the specs as the same suite planned them on such a target before; empty: PID 1 lists them

	// Only are the full names of the specs to run, exactly; empty runs all. No other spec is planned or reported.
	Only []string `json:"only,omitempty"`
	// Title is the text that the suite passes to RunSpecs, as in the Text of its plan frames. PID 1 needs it to choose
	// specs by their exact names: with Only and without Title, PID 1 lists the specs even where Known is set.
	Title string `json:"title,omitempty"`
}

// Kind is what a frame reports.
type Kind string

// The kinds, in the order in which they may come.
const (
	KindReady      Kind = "ready"       // PID 1 waits for a payload on its drive: the guest may be frozen
	KindHello      Kind = "hello"       // PID 1 is up and has its plan; Release; where there is no guest, Count is its process
	KindLog        Kind = "log"         // where there is no guest, and so no console: Text is lines of the kernel log as a console shows them
	KindStage      Kind = "stage"       // Stage begins (Done false) or has ended (Done true)
	KindLoad       Kind = "load"        // finit_module of Module returned Errno; Text names the module on whose account Module was not tried
	KindAlone      Kind = "alone"       // Module was refused beside others, and loads without them
	KindUnload     Kind = "unload"      // delete_module of Module returned Errno
	KindTaint      Kind = "taint"       // Taint as read after Stage
	KindPlan       Kind = "plan"        // Specs of Suite in their order; long plans come in several frames; Text is its Title
	KindSpecStart  Kind = "spec-start"  // Spec begins
	KindSpecEnd    Kind = "spec-end"    // Spec has ended
	KindExpect     Kind = "expect"      // Spec, which is running, provokes Count faults whose title matches the regular expression in Text
	KindPlug       Kind = "plug"        // Text names a device to plug in; the host answers with the same Count
	KindUnplug     Kind = "unplug"      // Text names a device to pull; likewise
	KindDebug      Kind = "debug"       // Text is the address of the plan's Debug, in hexadecimal, empty where it is not known; likewise
	KindWanted     Kind = "wanted"      // Text is what the kernel asked modprobe for in vain, once a round; see IsRequest
	KindDevice     Kind = "device"      // Device is bound to a driver of a module under test: each once a round
	KindFirmware   Kind = "firmware"    // Text is a file below FirmwareDir that was read, once a round
	KindSuiteEnd   Kind = "suite-end"   // the suite process ended with ExitCode or Signal
	KindSuiteError Kind = "suite-error" // a suite node outside of specs failed (BeforeSuite …): Spec
	KindOutput     Kind = "output"      // Text the suite process printed
	KindResidue    Kind = "residue"     // Text names a thing left behind after unload
	KindStuck      Kind = "stuck"       // a thread makes no progress in Stage; Text: "TASK (N): func <- caller <- …"; Stack; Count: 0 if it slept through
	KindHeartbeat  Kind = "heartbeat"   // PID 1 is alive: sent every second, whatever else hangs; Still
	KindTrouble    Kind = "trouble"     // Text says what PID 1 could not do: never the module's fault
	KindEnd        Kind = "end"         // the plan is done; nothing follows but power-off

	// KindAnswer is the only kind that the host sends: the request with the same Count is done, or Text says why not.
	KindAnswer Kind = "answer"
)

// Frame is one message of the guest. Fields beyond Kind, Nonce, Seq and At belong to the kinds that name them.
type Frame struct {
	Kind     Kind    `json:"kind"`
	Nonce    string  `json:"nonce"`
	Seq      uint64  `json:"seq"`             // counts from 1 without gaps: a gap means frames were lost
	At       int64   `json:"at"`              // milliseconds since the guest's boot, or since it received its payload on the drive
	Suite    string  `json:"suite,omitempty"` // the name of the round's suite; empty before and after the rounds
	Release  string  `json:"release,omitempty"`
	Stage    string  `json:"stage,omitempty"`
	Done     bool    `json:"done,omitempty"`
	Module   string  `json:"module,omitempty"`
	Errno    int     `json:"errno,omitempty"` // zero is success
	Taint    uint64  `json:"taint,omitempty"`
	Specs    []Spec  `json:"specs,omitempty"`
	Spec     *Spec   `json:"spec,omitempty"`
	Device   *Device `json:"device,omitempty"`
	ExitCode int     `json:"exit_code,omitempty"`
	Signal   string  `json:"signal,omitempty"`
	Text     string  `json:"text,omitempty"`
	Count    int     `json:"count,omitempty"`
	Still    int64   `json:"still,omitempty"` // for how long a thread has made no progress: the one that has for the longest time, in milliseconds
	Stack    string  `json:"stack,omitempty"` // as the kernel shows that of a thread (/proc/PID/stack)
}

// Spec is a spec of a suite. State is Ginkgo's, empty while the spec is planned or running. In a plan, State is "skipped"
// for a spec that does not apply to this target and "pending" for one not meant to run.
type Spec struct {
	Name       string `json:"name"`
	Group      string `json:"group,omitempty"` // in a plan: the full text of the outermost Ordered container around it; empty: the spec can run alone
	State      string `json:"state,omitempty"` // passed, failed, skipped, pending, panicked, timedout, interrupted, aborted
	Node       string `json:"node,omitempty"`  // Ginkgo's leaf node type; empty means It
	DurationMS int64  `json:"duration_ms,omitempty"`
	Attempts   int    `json:"attempts,omitempty"`
	Message    string `json:"message,omitempty"`
	Location   string `json:"location,omitempty"`
	Output     string `json:"output,omitempty"` // captured by Ginkgo, bounded
}
