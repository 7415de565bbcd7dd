package harness

import (
	"cmp"
	"errors"
	"time"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// Lifecycle is the name of the built-in suite that fits every module.
const Lifecycle = "lifecycle"

// What a module's folder may hold that is none of its source.
const (
	ConfigName = "modmatrix.toml" // see package config
	LockName   = "modmatrix.lock" // likewise
	OutName    = "modmatrix-out"  // results, where nobody names another folder for them
	// CollectedName is what testers' evidence came to, where nobody names another folder for it.
	CollectedName = "modmatrix-collected"
	SuitesDir     = "suites" // a folder of suites, which can be named without it
	// EvidenceName are what testers sent in, wherever it is kept.
	EvidenceName = "*.evidence.tar.zst"
)

// Spec is what the user asks for, defaults filled in: modmatrix.toml and the flags, merged. It is plain data. The tags say
// what a field decides and which flag sets it, see class and field; every field has them.
type Spec struct {
	Module        string                        `spec:"plan"`                                  // the module's folder, package, archive, bundle or REPOSITORY@REVISION; with Prebuilt the folder of suites, or empty
	Bundle        *Bundle                       `spec:"plan"`                                  // Module, opened; nil: it is none
	Prebuilt      []string                      `spec:"plan" flag:"prebuilt"`                  // files with modules that somebody else built, which are loaded; empty: Module is built
	Depends       []string                      `spec:"plan" flag:"depends"`                   // packages that the module builds upon, in the same forms
	Kernels       []kernels.Selector            `spec:"plan" flag:"kernel,once"`               // at least one
	Archs         []string                      `spec:"plan" flag:"arch,once"`                 // Debian's words for what those of Kernels that name no architecture were multiplied with; empty: they mean this machine's
	Required      []kernels.Selector            `spec:"plan"`                                  // those of Kernels that must not be missing: then a MISS is an ERROR
	Pins          map[string]kernels.Resolution `spec:"plan"`                                  // what selectors are pinned to, by their text: no source is asked for them
	Locked        bool                          `spec:"plan" flag:"locked,once"`               // every selector must be in Pins
	Offline       bool                          `spec:"plan" flag:"offline"`                   // never touch the network
	Suites        []string                      `spec:"plan" flag:"suite,once"`                // Lifecycle, folders of Ginkgo packages, or names of suites in Ready
	Ready         []initramfs.Ready             `spec:"plan"`                                  // what guests run and need not be compiled here: a bundle's. What it lacks is what this binary carries, or is compiled
	Exclude       []string                      `spec:"plan"`                                  // what of the module's folder is none of its source: patterns of path.Match, see kbuild.Source.Omit
	Make          []string                      `spec:"build" name:"the build's variables"`    // "NAME=VALUE", added to make's command line
	Packages      []string                      `spec:"build" flag:"build-package"`            // of the kernel's distribution, to have in the root that the module is built in
	Checks        bool                          `spec:"run" flag:"checks,once"`                // Suites has the static checks, results.Checks, as well
	CheckExclude  []string                      `spec:"record" name:"what no check reads"`     // of the source: patterns of path.Match, as Exclude has them
	CheckFails    []string                      `spec:"record" name:"what fails a check"`      // "NAME=LEVEL", the least bad level of findings that fails it, or CheckNever; those that are not named: results.LevelError
	Focus         string                        `spec:"cell" flag:"focus,once"`                // run only specs whose name matches this regular expression; empty runs all
	Params        []string                      `spec:"cell" flag:"param"`                     // "name=value", given to the module at every load
	Load          []string                      `spec:"cell" flag:"load"`                      // which of the modules that were built to load, with what they depend on; empty: all that are installed
	Devices       []string                      `spec:"cell" flag:"device"`                    // stand-ins for hardware in the guest: rows of QEMU's -device, see vm.CheckDevice
	Plugs         []string                      `spec:"cell" flag:"plug"`                      // stand-ins that suites plug in and pull: "NAME=ROW", see vm.Plug
	HostDevices   []string                      `spec:"cell" flag:"host-device"`               // of this machine, handed to one guest after the other: see hostdevice.Ask; their cells are never cached
	Firmware      string                        `spec:"plan" flag:"firmware"`                  // a folder of files that the module asks for, as /lib/firmware has them, or debian:NAME,… for packages of them; empty: none
	Modules       []string                      `spec:"cell" name:"the kernel's own modules"`  // of the kernel's own, to load before the module; a kernel without one is skipped
	MemoryMiB     int                           `spec:"cell" name:"the guest's memory in MiB"` // of a guest; zero means 256
	CPUs          int                           `spec:"cell" name:"the guest's processors"`    // of a guest; zero means 1
	Timeout       time.Duration                 `spec:"cell" flag:"timeout"`                   // for one guest from power-on to power-off; zero means ten minutes
	Isolate       string                        `spec:"cell" flag:"isolate"`                   // IsolateSuite, IsolateSpec or IsolateNone; empty means IsolateSuite
	Count         int                           `spec:"record" flag:"count"`                   // guests for each cell, one after the other; the worst decides. Zero means one; more than one is never cached
	Retries       int                           `spec:"record" flag:"retries"`                 // guests more for a cell that fails; one of them that passes makes it flaky, never a pass
	DeferInTree   bool                          `spec:"record" flag:"defer-in-tree"`           // skip a kernel that brings the module itself, no older than this one
	CompareInTree bool                          `spec:"record" flag:"compare-in-tree"`         // run the kernel's own copy of the module as well, where it has one; excludes DeferInTree
	BuildOnly     bool                          `spec:"record" name:"build only"`              // stop after the build; a module that built is a PASS
	RequireKVM    bool                          `spec:"record" flag:"require-kvm"`             // fail rather than fall back to emulation
	Out           string                        `spec:"run" flag:"output"`                     // folder of the results
	Jobs          int                           `spec:"run" flag:"jobs"`                       // builds and guests at once; zero means one for each CPU
	Resume        bool                          `spec:"run" flag:"resume"`                     // continue the run that Out holds
	New           bool                          `spec:"run" flag:"new"`                        // run only the kernels that are not what they were in the run that Out holds
	Shard         string                        `spec:"run" flag:"shard"`                      // "I/N" or "auto": only that part of the kernels; empty: all
	Since         string                        `spec:"run" flag:"since"`                      // earlier results, a folder or a file, that these are compared with; empty: the history
	Yes           bool                          `spec:"run" flag:"yes"`                        // whoever asks agrees to what the module may do to this machine, with -k here
	FailFast      bool                          `spec:"run" flag:"fail-fast"`                  // end at the first cell that is FAIL; what was not run by then is MISS
	NoCache       bool                          `spec:"run" flag:"no-cache"`                   // run every guest, even where the same cell passed before
	Sign          string                        `spec:"run" flag:"sign"`                       // the SSH key that signs the evidence of the run, see evidence.OpenSigner; empty: unsigned
	TestedBy      string                        `spec:"run" flag:"tested-by"`                  // "Name <mail>" of who agrees to be named in it; empty: nobody
	Evidence      bool                          `spec:"run" flag:"evidence"`                   // write an evidence file, unsigned where Sign is empty
	Mirror        string                        `spec:"run"`                                   // of the Debian archive; empty: as the host's own apt sources say
	SecurityURL   string                        `spec:"run"`                                   // of the Debian security archive; likewise
	Asked         results.Asked                 `spec:"run"`                                   // how the results say that they were asked for
}

// The memory and the time of a guest that nobody gave any.
const (
	defaultMiB     = 256
	defaultTimeout = 10 * time.Minute
)

// WithDefaults returns s with the values that zero stands for.
func (s Spec) WithDefaults() Spec {
	s.Timeout = cmp.Or(s.Timeout, defaultTimeout)
	s.MemoryMiB = cmp.Or(s.MemoryMiB, defaultMiB)
	s.CPUs = cmp.Or(s.CPUs, 1)
	s.Count = cmp.Or(s.Count, 1)
	s.Isolate = cmp.Or(s.Isolate, IsolateSuite)
	return s
}

// UsageError is a mistake of the caller: bad configuration, unknown suite, a folder without a module (exit code 2).
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// ErrNothingMatched says that the plan is empty (exit code 4).
var ErrNothingMatched = errors.New("nothing matched")
