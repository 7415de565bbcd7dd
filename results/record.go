package results

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Schema names the format of results.json. New fields may come; a published one never changes its meaning.
const Schema = "modmatrix.results/v1"

// Results is the document results.json: one run, its module, and a record for every planned cell.
type Results struct {
	Schema  string         `json:"schema"`
	Run     Run            `json:"run"`
	Module  Module         `json:"module"`
	Records []Record       `json:"records"`
	Summary map[Status]int `json:"summary"`

	Since    *Since `json:"since,omitempty"`    // what changed against an earlier run; nil: none is known
	Untested string `json:"untested,omitempty"` // why nothing at all was tested, where every cell is SKIP; empty: something was
}

// Run says when, with what and on which machine the records came about.
type Run struct {
	ID         string    `json:"id"`
	Started    time.Time `json:"started"`
	Tool       string    `json:"tool"`
	PlanDigest string    `json:"plan_digest"`
	Host       Host      `json:"host"`
	Asked      Asked     `json:"asked,omitempty,omitzero"`

	Shard   int      `json:"shard,omitempty"`   // which part of Planned this run did, from 1; zero: it was not divided
	Planned *Planned `json:"planned,omitempty"` // nil where the run was not divided
	Merged  []Origin `json:"merged,omitempty"`  // the runs that these results were merged from
}

// Host is the machine's part in the result: a pass under TCG is not a pass under KVM.
type Host struct {
	Arch        string `json:"arch"`
	Accelerator string `json:"accelerator"` // "kvm" or "tcg"; empty when no guest was started
	CPUModel    string `json:"cpu_model"`   // QEMU's -cpu; empty when no guest was started
	QEMU        string `json:"qemu"`        // version, e.g. "7.2.22"; empty when no guest was started

	Distribution string `json:"distribution,omitempty"` // as it calls itself, e.g. "Debian GNU/Linux 12 (bookworm)"; empty where it does not
}

// Module is what was validated.
type Module struct {
	Name         string `json:"name"`
	Version      string `json:"version"`       // MODULE_VERSION or the package's; empty when it has none
	SourceDigest string `json:"source_digest"` // "sha256:…" over the source files; of Binaries, where there are some, over these
	Git          *Git   `json:"git,omitempty"` // nil when the source is not in a git work tree

	Claims   *Claims  `json:"claims,omitempty"`   // nil where the source speaks of no kernel version
	Binaries []Binary `json:"binaries,omitempty"` // what was loaded in place of a build; none: the module was built
}

// Claims are what a module's source says of kernel versions, held against the kernels that it was built for.
type Claims struct {
	Min    string   `json:"min,omitempty"`    // BUILD_EXCLUSIVE_KERNEL_MIN, where it is a plain version
	Max    string   `json:"max,omitempty"`    // BUILD_EXCLUSIVE_KERNEL_MAX, likewise
	Kernel string   `json:"kernel,omitempty"` // BUILD_EXCLUSIVE_KERNEL, a regular expression for releases
	Broken []string `json:"broken,omitempty"` // kernels that these let it be built for, on which it fails
	First  string   `json:"first,omitempty"`  // the oldest version of all that pass, if no version after it fails up to Last
	Last   string   `json:"last,omitempty"`   // the newest
	// Constant are the conditions on the version that came out the same on every kernel: their other branch was never compiled.
	Constant []Condition `json:"constant,omitempty"`
	Varied   int         `json:"varied"` // how many conditions came out both ways

	Stated []Statement `json:"stated,omitempty"` // the bounds in META
	// Proposed are lines for dkms.conf or META that would say what was measured.
	Proposed []Proposal `json:"proposed,omitempty"`
}

// Proposal is a line that would draw a bound where the module was found to fail, and the versions on both sides of it; the kernels, where
// it is no version that divides them.
type Proposal struct {
	Line string `json:"line"` // as it would stand in the file
	Good string `json:"good"` // passes
	Bad  string `json:"bad"`  // fails, and is the next one that was measured
}

// Statement is a line of META that says for which kernels a module is.
type Statement struct {
	Where    string   `json:"where"`              // file:line
	Text     string   `json:"text"`               // the line
	Min      string   `json:"min,omitempty"`      // empty: of any age
	Max      string   `json:"max,omitempty"`      // empty: however new; 6.8 is all of 6.8.x
	Measured bool     `json:"measured,omitempty"` // there was a kernel that it speaks for
	Broken   []string `json:"broken,omitempty"`   // those of them on which the module fails
}

// Condition is a comparison with LINUX_VERSION_CODE in a source.
type Condition struct {
	Where   string `json:"where"`   // file:line
	Op      string `json:"op"`      // <, <=, >, >=, == or !=
	Version string `json:"version"` // e.g. 4.15.0
	Holds   bool   `json:"holds"`   // on every kernel; else on none
}

// Git is the module's commit, when its source lies in a work tree.
type Git struct {
	Commit string `json:"commit"`
	Dirty  bool   `json:"dirty"`
}

// Target is one kernel to validate against, as it is written into records.
type Target struct {
	Release      string `json:"release"` // uname -r
	Version      string `json:"version"` // the kernel's version, e.g. 6.12.107; not the release
	Arch         string `json:"arch"`    // uname -m
	Flavour      string `json:"flavour"`
	Profile      string `json:"profile"`
	Source       string `json:"source"` // the selector without version, e.g. "debian:trixie"; "here" is the machine of the run itself, without a guest
	ConfigDigest string `json:"config_digest"`
	Compiler     string `json:"compiler"`           // first line of the compiler's --version; empty before the tree is there
	MoreMiB      int    `json:"more_mib,omitempty"` // of memory, that guests of this kernel had beyond what was asked for
}

// Record is a judged cell with its evidence.
type Record struct {
	Target Target   `json:"target"`
	Suite  string   `json:"suite"`
	Status Status   `json:"status"`
	Stage  Stage    `json:"stage,omitempty"` // where the status was decided; empty on PASS
	Code   Code     `json:"code,omitempty"`
	Reason string   `json:"reason,omitempty"` // one line a person understands
	Specs  []Spec   `json:"specs"`
	Splats []Splat  `json:"splats"`
	Taint  *Taint   `json:"taint,omitempty"`  // nil when no guest reported it
	Loaded []string `json:"loaded,omitempty"` // the modules under test that were loaded
	Absent []Absent `json:"absent,omitempty"` // those that were set aside, since their hardware is not in the guest
	// Hardware are the devices that drivers of the modules under test were bound to, and the tester's own, whether bound or not.
	Hardware []Device `json:"hardware,omitempty"`
	// Firmware are the files that the kernel asked for while the modules were loaded, whether there or not.
	Firmware  []string  `json:"firmware_requested,omitempty"`
	Timings   Timings   `json:"timings_ms"`
	Objects   *Objects  `json:"objects,omitempty"` // of the build; nil where it was none of this run's, or it is not known
	Cached    bool      `json:"cached"`
	Attempts  int       `json:"attempts"`
	Flaky     bool      `json:"flaky,omitempty"` // a FAIL that passed in another attempt
	Tries     []Try     `json:"tries,omitempty"` // each attempt, in order, where there were several
	Artifacts Artifacts `json:"artifacts"`
	InTree    []InTree  `json:"in_tree,omitempty"` // the kernel's own copies of the modules
	// InTreeRun is the same suite with these copies; nil where none was asked for, or the kernel has none.
	InTreeRun *InTreeRun `json:"in_tree_run,omitempty"`
	Notes     []string   `json:"notes,omitempty"` // what a reader should know and what decided nothing
	// Predicted is what was expected of each binary, in load order, and what came of it; none: the module was built.
	Predicted []Prediction `json:"predicted,omitempty"`
	Kept      *Kept        `json:"kept,omitempty"` // the earlier run that it is of; nil where it is of this one

	Past   []Status `json:"past,omitempty"`   // what it was in earlier runs, the oldest first
	Origin *Origin  `json:"origin,omitempty"` // in merged results, the run that it comes from
	Others []Record `json:"others,omitempty"` // in merged results, what other runs have of the same cell, none of them worse
}

// Absent is a module that refused to load for want of hardware.
type Absent struct {
	Module string `json:"module"`
	Reason string `json:"reason"` // one line, with the module's own words
}

// Kept says which run a record was taken over from, as it was there (run --new).
type Kept struct {
	Run     string    `json:"run"` // its id
	Started time.Time `json:"started"`
}

// Try is the result of one attempt at a cell that took several.
type Try struct {
	Status    Status    `json:"status"`
	Stage     Stage     `json:"stage,omitempty"`
	Code      Code      `json:"code,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Artifacts Artifacts `json:"artifacts"`
}

// Spec is the outcome of one spec of the suite.
type Spec struct {
	Name       string `json:"name"`
	Status     Status `json:"status"`
	DurationMS int64  `json:"duration_ms"`
	Attempts   int    `json:"attempts"`
	Message    string `json:"message,omitempty"`  // the failure, or the reason of a skip
	Location   string `json:"location,omitempty"` // file:line of the failure

	Tool     string    `json:"tool,omitempty"`     // of a static check: what made it, with its version
	Findings []Finding `json:"findings,omitempty"` // of a static check, in the order of the files
	Known    []string  `json:"known,omitempty"`    // in a history alone: what stands for Findings
}

// Splat is one kernel fault found in the console.
type Splat struct {
	Title       string `json:"title"`
	Kind        string `json:"kind"`
	Fingerprint string `json:"fingerprint"`
	Where       string `json:"where"` // function, or file.c:line where it is known
	Owner       Owner  `json:"owner"` // whose the guilty function is
	// Callers are functions with their lines that Where was inlined into, innermost first.
	Callers []string `json:"callers,omitempty"`
	Stage   Stage    `json:"stage,omitempty"`
	Spec    string   `json:"spec"` // the spec that was running; empty outside of specs
	Line    int      `json:"line"` // 1-based line in the console log
	Excerpt string   `json:"excerpt"`
}

// InTree is the kernel's own copy of a module that is also validated from outside.
type InTree struct {
	Module     string   `json:"module"`
	Version    string   `json:"version"`    // MODULE_VERSION; empty when it has none
	SrcVersion string   `json:"srcversion"` // empty where the kernel keeps none
	Ours       Relation `json:"ours"`       // how the validated module stands to it
}

// Relation says how one copy of a module stands to another.
type Relation string

// The relations.
const (
	Newer Relation = "newer"
	Older Relation = "older"
	Same  Relation = "equal"
	Other Relation = "other" // another source, and no version to compare by
)

// Owner says whose code a fault struck in. The zero value: the report names no function.
type Owner string

// The owners.
const (
	OwnerModule Owner = "module" // the module under test
	OwnerCore   Owner = "core"   // the kernel itself
	OwnerOther  Owner = "other"  // another module
)

// Taint is /proc/sys/kernel/tainted before the module was loaded and at the end (Linux Documentation/admin-guide/tainted-kernels.rst).
type Taint struct {
	Before uint64   `json:"before"`
	After  uint64   `json:"after"`
	Delta  []string `json:"delta"` // the letters of the bits that were set in between
}

// Artifacts are paths of the cell's files, relative to the folder of results.json; empty when a file does not exist.
type Artifacts struct {
	BuildLog string `json:"build_log,omitempty"`
	Console  string `json:"console,omitempty"`
	SuiteLog string `json:"suite_log,omitempty"` // what the suite's process printed
	Specs    string `json:"specs,omitempty"`
}

// Paths lists those that there are.
func (a Artifacts) Paths() []string {
	return slices.DeleteFunc([]string{a.BuildLog, a.Console, a.SuiteLog, a.Specs}, func(path string) bool { return path == "" })
}

// Files lists the artifacts of rec, of all its tries, and of the run with the kernel's own copies.
func (rec Record) Files() []string {
	files := rec.Artifacts.Paths()
	for _, t := range rec.Tries {
		files = append(files, t.Artifacts.Paths()...)
	}
	if rec.InTreeRun != nil {
		files = append(files, rec.InTreeRun.Record.Files()...)
	}
	for _, o := range rec.Others {
		files = append(files, o.Files()...)
	}
	return files
}

// InTreeRun is what the same suite came to with the kernel's own copies of the modules in the place of those under test (run
// --compare-in-tree). It says nothing of the module: no summary, exit code or roll-up counts it.
type InTreeRun struct {
	Modules []string `json:"modules"` // of the kernel, in load order
	Record  Record   `json:"record"`  // has none itself
}

func (run *InTreeRun) check() error {
	if run == nil {
		return nil
	}
	if run.Record.InTreeRun != nil {
		return errors.New("in tree: a copy of a copy")
	}
	if err := run.Record.check(); err != nil {
		return fmt.Errorf("in tree: %w", err)
	}
	return nil
}
