package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"golang.org/x/sys/unix"
)

// maxKept bounds every list of a guest, and maxStory all that is kept of one, in bytes: a lying guest must not fill the host's memory.
const (
	maxKept  = 10_000
	maxStory = 64 << 20
)

// Guest is what the frames of one guest add up to. Nothing in it is believed beyond what it says: a guest can lie
// about itself, and Judge holds the console and QEMU's own word against it. The zero value is a guest that never spoke.
type Guest struct {
	Nonce    string // what its frames must carry
	Hello    bool
	Release  string                   // as the guest reads it from its own kernel
	Stage    results.Stage            // the stage that began last
	Ended    map[results.Stage]bool   // the stages that ended
	Began    map[results.Stage]int64  // when they began, in milliseconds since boot
	Took     map[results.Stage]int64  // how long they took, in milliseconds
	Taints   map[results.Stage]uint64 // as read after each stage
	Loads    []Syscall
	Alone    []string // modules that were refused beside others, and load without them
	Unloads  []Syscall
	Title    string // of the suite
	Planned  []wire.Spec
	Expected []Expectation // faults that specs provoke on purpose
	Specs    []wire.Spec   // those that ended
	Started  []string      // in order
	Running  string        // the spec that began and did not end
	Nodes    []wire.Spec   // suite nodes that failed: BeforeSuite and its kin
	Exit     *SuiteExit    // nil: the suite process did not end, or there was none
	Residue  []string
	Devices  []results.Device // that the modules' drivers were bound to, each once, as they were reported
	Firmware []string         // files that the kernel read, each once
	Wanted   []string         // what the kernel asked modprobe for and does not have, each once
	Stuck    []Stuck          // what made no progress for PID 1's patience, or exceeded its time
	Trouble  []string         // what PID 1 could not do
	Troubled results.Stage    // when the first of Trouble was reported
	Output   string           // of the suite process, as far as it was kept
	End      bool
	Lost     bool   // frames are missing in between
	Broken   string // why its story cannot be believed: it says what no true guest does, or more than is kept; empty: nothing
	Foreign  int    // frames with another nonce, all ignored
	LastAt   int64  // of the last frame
	expected uint64 // sequence number of the next frame
	tainted  uint64 // as reported last
	length   int    // of what is kept, in bytes
}

// Syscall is the outcome of finit_module or delete_module.
type Syscall struct {
	Module string
	Errno  int    // zero: it worked
	Need   string // of a load: the refused module on whose account it was not tried; empty: it was
}

// Error says the errno in the kernel's word and in C's.
func (s Syscall) Error() string {
	errno := syscall.Errno(s.Errno)
	return fmt.Sprintf("%s (%s)", cmp.Or(unix.ErrnoName(errno), "errno"), errno)
}

// Stuck is a thread that made no progress, or exceeded its time.
type Stuck struct {
	Stage results.Stage
	Text  string // the thread and its stack, in one line
	Stack string // as the kernel shows it; empty where it exceeded its time
}

// SuiteExit is how the suite process ended.
type SuiteExit struct {
	Code   int
	Signal string // empty: it exited by itself
}

// NewGuest returns a guest of which nothing has been heard yet.
func NewGuest(nonce string) *Guest {
	return &Guest{
		Nonce: nonce, expected: 1,
		Ended: map[results.Stage]bool{}, Began: map[results.Stage]int64{},
		Took: map[results.Stage]int64{}, Taints: map[results.Stage]uint64{},
	}
}

// Add adds one frame, and reports whether it was the guest's own.
func (g *Guest) Add(f wire.Frame) bool {
	if f.Nonce != g.Nonce {
		g.Foreign++
		return false
	}
	if f.Seq != g.expected {
		g.Lost = true
	}
	g.expected, g.LastAt = f.Seq+1, f.At
	if g.End && f.Kind != wire.KindHeartbeat && f.Kind != wire.KindLog {
		g.doubt("the guest went on after its end: %s", f.Kind)
	}
	if g.length += length(f); g.length > maxStory && f.Kind != wire.KindEnd {
		g.doubt("the guest said more than %d MiB: what came after it was not kept", maxStory>>20)
		return true
	}
	switch f.Kind {
	case wire.KindHello:
		if g.Hello {
			g.doubt("the guest said hello twice: as %q, and as %q", g.Release, f.Release)
		}
		g.Hello, g.Release, g.Took[results.StageBoot] = true, f.Release, f.At
	case wire.KindStage:
		g.stage(results.Stage(f.Stage), f)
	case wire.KindTaint:
		if gone := g.tainted &^ f.Taint; gone != 0 {
			g.doubt("the kernel's taint went down by %s, which no kernel does", strings.Join(letters(gone), ""))
		}
		g.tainted = f.Taint
		g.Taints[results.Stage(f.Stage)] = f.Taint
	case wire.KindSuiteEnd:
		g.Exit = &SuiteExit{f.ExitCode, f.Signal}
	case wire.KindTrouble:
		if len(g.Trouble) == 0 {
			g.Troubled = StageOf(g)
		}
		g.Trouble = keep(g.Trouble, f.Text)
	case wire.KindOutput:
		if len(g.Output) < 1<<20 {
			g.Output += f.Text
		}
	case wire.KindEnd:
		g.End = true
	case wire.KindLog:
	default:
		g.addFound(f)
	}
	return true
}

// addFound adds what the guest found of the module, or what a suite did.
func (g *Guest) addFound(f wire.Frame) {
	switch f.Kind {
	case wire.KindLoad:
		g.Loads = keep(g.Loads, Syscall{f.Module, f.Errno, f.Text})
	case wire.KindAlone:
		g.Alone = keep(g.Alone, f.Module)
	case wire.KindUnload:
		g.Unloads = keep(g.Unloads, Syscall{Module: f.Module, Errno: f.Errno})
	case wire.KindResidue:
		g.Residue = keep(g.Residue, f.Text)
	case wire.KindWanted:
		if wire.IsRequest(f.Text) && len(g.Wanted) < wire.MaxWanted && !slices.Contains(g.Wanted, f.Text) {
			g.Wanted = append(g.Wanted, f.Text)
		}
	case wire.KindDevice:
		g.device(f.Device)
	case wire.KindFirmware:
		if isFirmware(f.Text) && len(g.Firmware) < wire.MaxFirmware && !slices.Contains(g.Firmware, f.Text) {
			g.Firmware = append(g.Firmware, f.Text)
		}
	case wire.KindStuck:
		g.Stuck = keep(g.Stuck, Stuck{results.Stage(f.Stage), f.Text, f.Stack})
	default:
		g.spec(f)
	}
}

// length is how much of f is kept, in bytes. What a suite prints has a bound of its own, and the kernel's log is kept elsewhere.
func length(f wire.Frame) int {
	if f.Kind == wire.KindOutput || f.Kind == wire.KindLog {
		return 0
	}
	n := len(f.Module) + len(f.Text) + len(f.Stack) + len(f.Release) + len(f.Signal)
	specs := f.Specs
	if f.Spec != nil {
		specs = append(slices.Clip(specs), *f.Spec)
	}
	for _, s := range specs {
		n += len(s.Name) + len(s.Group) + len(s.Node) + len(s.Message) + len(s.Location) + len(s.Output)
	}
	return n
}

func (g *Guest) stage(s results.Stage, f wire.Frame) {
	if !f.Done {
		g.Stage, g.Began[s] = s, f.At
		return
	}
	g.Ended[s] = true
	g.Took[s] = f.At - g.Began[s]
}

func (g *Guest) spec(f wire.Frame) {
	switch {
	case f.Kind == wire.KindPlan:
		if g.Stage != "" {
			g.doubtPlan()
		}
		g.Title = f.Text
		for _, s := range f.Specs {
			g.Planned = keep(g.Planned, s)
		}
		g.bounded(len(g.Planned))
	case f.Spec == nil:
	case f.Kind == wire.KindSpecStart:
		g.Running = f.Spec.Name
		g.Started = keep(g.Started, f.Spec.Name)
	case f.Kind == wire.KindSpecEnd:
		g.Specs = keep(g.Specs, *f.Spec)
		g.bounded(len(g.Specs))
		if g.Running == f.Spec.Name {
			g.Running = ""
		}
	case f.Kind == wire.KindExpect:
		g.Expected = keep(g.Expected, Expectation{f.Spec.Name, f.Text, f.Count})
	case f.Kind == wire.KindSuiteError:
		g.Nodes = keep(g.Nodes, *f.Spec)
	}
}

func (g *Guest) doubt(format string, args ...any) {
	if g.Broken == "" {
		g.Broken = fmt.Sprintf(format, args...)
	}
}

// doubtPlan notes that a plan came late: PID 1 sends it before there is a module under test that could forge one.
func (g *Guest) doubtPlan() {
	g.doubt("the guest planned specs after the first module was loaded")
}

func (g *Guest) bounded(n int) {
	if n >= maxKept {
		g.doubt("the suite has more than %d specs: those beyond were not kept", maxKept-1)
	}
}

func keep[T any](list []T, item T) []T {
	if len(list) >= maxKept {
		return list
	}
	return append(list, item)
}

// Loaded counts the loads that worked.
func (g *Guest) Loaded() (n int) {
	for _, c := range g.Loads {
		if c.Errno == 0 {
			n++
		}
	}
	return n
}

// Refused returns the first of calls that failed.
func Refused(calls []Syscall) (Syscall, bool) {
	if i := slices.IndexFunc(calls, func(c Syscall) bool { return c.Errno != 0 }); i >= 0 {
		return calls[i], true
	}
	return Syscall{}, false
}
