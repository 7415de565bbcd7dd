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
