package results

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
)

// Status is the verdict on one cell, in KCIDB's words (kcidb_io/schema/v05_00.py).
// The zero value is invalid: a cell that nobody judged has no status, and is never a pass.
type Status string

// The statuses, worst first; this order decides every roll-up.
const (
	Fail  Status = "FAIL"  // the module is at fault
	Error Status = "ERROR" // the run broke; the module's part in it is unknown
	Miss  Status = "MISS"  // the cell did not run; the reason lies on our side
	Pass  Status = "PASS"  // everything planned ran, and nothing was wrong
	Skip  Status = "SKIP"  // the module or suite does not apply to this target
)

// Statuses lists every valid status, worst first.
var Statuses = []Status{Fail, Error, Miss, Pass, Skip}

// rank is the place in Statuses; an unknown status ranks as bad as ERROR, so that it can never hide one.
func (s Status) rank() int {
	if i := slices.Index(Statuses, s); i >= 0 {
		return i
	}
	return 1
}

// Worse returns the one of s and t that decides when both are rolled up; the zero value gives way to anything.
func (s Status) Worse(t Status) Status {
	if s == "" || t != "" && t.rank() < s.rank() {
		return t
	}
	return s
}

// Stage is the step of a cell's life in which something was decided.
type Stage string

// The stages, in the order a cell goes through them.
const (
	StageFetch    Stage = "fetch"    // obtain the kernel and the root it is built in
	StageBuild    Stage = "build"    // build the module and prove the .ko
	StageCheck    Stage = "check"    // run the static checks: of the suite Checks alone
	StageBoot     Stage = "boot"     // boot the kernel, before the module is there
	StageLoad     Stage = "load"     // finit_module of the module under test
	StageTest     Stage = "test"     // run the suite
	StageUnload   Stage = "unload"   // delete_module, and what is left behind
	StageShutdown Stage = "shutdown" // end frame and power-off
)

// Stages lists every stage in order.
var Stages = []Stage{StageFetch, StageBuild, StageCheck, StageBoot, StageLoad, StageTest, StageUnload, StageShutdown}

// Code says why a cell has its status, in a closed list of words that scripts may branch on. A PASS has no code.
type Code string

// The codes. A published code never changes its meaning.
const (
	CodeBuildError       Code = "build-error"       // the compiler refused the source
	CodeModpostError     Code = "modpost-error"     // modpost refused the object: unresolved or forbidden symbols
	CodeKoMissing        Code = "ko-missing"        // an expected .ko was not built, or is empty
	CodeVermagicMismatch Code = "vermagic-mismatch" // the .ko was built for another release
	CodeLoadRefused      Code = "load-refused"      // finit_module gave an errno
	CodeOops             Code = "oops"              // the kernel faulted: page fault, BUG(), general protection …
	CodePanic            Code = "panic"             // the kernel panicked without a fault that explains it
	CodeHang             Code = "hang"              // the guest stopped answering under the module
	CodeWarn             Code = "warn"              // WARN_ON and its kin
	CodeSanitizer        Code = "sanitizer"         // KASAN, UBSAN, KCSAN, KFENCE, SLUB debugging …
	CodeLockdep          Code = "lockdep"           // lock order, atomic context, RCU usage
	CodeLeak             Code = "leak"              // something left behind after unload
	CodeTaint            Code = "taint"             // a bad taint bit was set
	CodeSpecFailed       Code = "spec-failed"       // a spec of the suite failed
	CodeSpecMissing      Code = "spec-missing"      // a planned spec never reported
	CodeUnloadFailed     Code = "unload-failed"     // delete_module gave an errno, or never came back
	CodeReset            Code = "reset"             // the guest was reset without a panic
	CodeTimeout          Code = "timeout"           // a deadline passed
	CodeBootFailed       Code = "boot-failed"       // the kernel alone never reached ready
	CodeInfra            Code = "infra"             // kernel not obtainable, QEMU missing or killed, disk full …
	CodeInterrupted      Code = "interrupted"       // the run was ended before this cell ran
	CodeExcluded         Code = "excluded"          // the module says it does not support the target
	CodeConfigMissing    Code = "config-missing"    // the target's kernel lacks a required CONFIG symbol
	CodeInTree           Code = "in-tree"           // the target already carries the module
	CodeNoHardware       Code = "no-hardware"       // the module found none of its hardware in the guest
	CodeMissing          Code = "missing"           // no part of a divided run has the cell
	CodeCheckFailed      Code = "check-failed"      // a static check found what the configuration does not let pass
)

//go:embed codes.txt
var codeList string

// Codes lists every code, in the order of their constants, for validation and documentation.
var Codes, meanings = parseCodes()

func parseCodes() (codes []Code, meanings map[Code]string) {
	meanings = map[Code]string{}
	for line := range strings.Lines(codeList) {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), "\t")
		codes, meanings[Code(code)] = append(codes, Code(code)), meaning
	}
	return codes, meanings
}

// Meaning says in words what c stands for: the row of the table of judgement.
func (c Code) Meaning() string { return cmp.Or(meanings[c], "code "+string(c)) }
