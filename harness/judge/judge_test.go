package judge

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/console"
)

var judgements = []struct {
	name     string
	evidence func(*Evidence)
	want     string // status@stage code
	reason   string // a part of it
}{

	{"everything planned ran and nothing is wrong", func(e *Evidence) {}, "PASS@", ""},
	{"the module does not support the target", func(e *Evidence) { *e = Evidence{Excluded: "BUILD_EXCLUSIVE_KERNEL ^5"} },
		"SKIP@build excluded", "^5"},
	{"nothing is known", func(e *Evidence) { *e = Evidence{} }, "MISS@boot infra", "no guest"},
	{"the user ended the run", func(e *Evidence) { e.Interrupted = true; e.Guest = nil }, "MISS@boot interrupted", ""},
	{"the kernel cannot be obtained", func(e *Evidence) {
		*e = Evidence{Trouble: &Blame{results.StageFetch, results.CodeInfra, "no network"}}
	}, "MISS@fetch infra", "no network"},
	{"the sandbox broke", func(e *Evidence) {
		*e = Evidence{Trouble: &Blame{results.StageBuild, results.CodeInfra, "bwrap"}}
	}, "ERROR@build infra", "bwrap"},
	{"the compiler refused", func(e *Evidence) {
		*e = Evidence{Build: &Blame{results.StageBuild, results.CodeBuildError, "fifo.c:3: no"}}
	}, "FAIL@build build-error", "fifo.c:3"},
	{"only the build was asked for", func(e *Evidence) { *e = Evidence{Built: true, BuildOnly: true} }, "PASS@", ""},
	{"the kernel never reached init", func(e *Evidence) {
		e.Guest, e.End, e.Tail = NewGuest("n"), Ending{Late: results.StageBoot, Seconds: 120, Silent: true}, "a\nProbing EDD\n"
	}, "MISS@boot boot-failed", "Probing EDD"},
	{"the kernel panicked before init", func(e *Evidence) { e.Guest, e.End = NewGuest("n"), Ending{Reason: "guest-reset"} },
		"MISS@boot boot-failed", "guest-reset"},
	{"QEMU died at boot", func(e *Evidence) {
		e.Guest, e.End = NewGuest("n"), Ending{Reason: "qemu-died", Stderr: "out of memory"}
	},
		"ERROR@boot infra", "out of memory"},
	{"another kernel came up", func(e *Evidence) { e.Guest.Release = "6.1.0" }, "ERROR@boot infra", "6.1.0"},
	{"a dependency did not load", func(e *Evidence) { e.Guest.Trouble = []string{"videodev: EINVAL"} }, "ERROR@shutdown infra", "videodev"},
	{"init returned -EINVAL", func(e *Evidence) {
		e.Guest.Loads[0].Errno, e.Words = int(syscall.EINVAL), map[string]string{"fifo": "fifo: capacity must be a power of two"}
	}, "FAIL@load load-refused", "EINVAL (invalid argument): fifo: capacity must be a power of two"},
	{"init failed and kept what it had", func(e *Evidence) {
		e.Guest.Loads[0].Errno, e.Guest.Residue = int(syscall.ENODEV), []string{"/proc/devices: 240 fifo"}
	}, "FAIL@load load-refused", "ENODEV (no such device); left behind: /proc/devices: 240 fifo"},
	{"init faulted", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageLoad, ""), Ending{Reason: "guest-reset"}
		e.Guest.Loads = nil
		e.Splats = []Splat{splatIn(results.StageLoad, "", results.CodeOops)}
	}, "FAIL@load oops", "fifo_read"},
	{"a fault though every spec passed", func(e *Evidence) {
		e.Splats = []Splat{splatIn(results.StageTest, "two", results.CodeWarn)}
	}, "FAIL@test warn", `during "two"`},
	{"a timer that outlived its module", func(e *Evidence) {
		s := splatIn(results.StageUnload, "", results.CodeOops)
		s.Title, s.Gone = "unable to handle page fault in code that is gone", "fifo"
		e.Splats = []Splat{s}
	}, "FAIL@unload oops", "in code that is gone (fifo was unloaded)"},
	{"a fault before the module was there", func(e *Evidence) { e.Splats = []Splat{splatIn(results.StageBoot, "", results.CodeWarn)} }, "PASS@", ""},
	{"a line that is only worth a note", func(e *Evidence) {
		s := splatIn(results.StageTest, "", results.CodeWarn)
		s.Severity = console.Note
		e.Splats = []Splat{s}
	}, "PASS@", ""},
	{"a warning that only the taint shows", func(e *Evidence) { e.Guest.Taints[results.StageTest] = 1<<12 | 1<<9 }, "FAIL@test taint", "W"},
	{"a taint that the kernel had before", func(e *Evidence) {
		e.Guest.Taints = map[results.Stage]uint64{results.StageBoot: 1 << 9, results.StageUnload: 1<<9 | 1<<12}
	}, "PASS@", ""},
	{"an unsigned, out-of-tree, staging module", func(e *Evidence) { e.Guest.Taints[results.StageLoad] = 1<<12 | 1<<13 | 1<<10 }, "PASS@", ""},
	{"a triple fault in a spec", func(e *Evidence) { e.Guest, e.End = stopped(results.StageTest, "two"), Ending{Reason: "guest-reset"} },
		"FAIL@test reset", `in "two"`},
	{"init ate all memory", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageLoad, ""), Ending{Reason: "guest-reset"}
		e.Splats = []Splat{outOfMemoryIn(results.StageLoad, "system is deadlocked on memory")}
	}, "FAIL@load panic", "system is deadlocked on memory"},
	{"something ate all memory in a spec", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageTest, "two"), Ending{Reason: "guest-reset"}
		e.Splats = []Splat{outOfMemoryIn(results.StageTest, "system is deadlocked on memory")}
	}, "ERROR@test infra", "memory_mib"},
	{"the module ate all memory in a spec", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageTest, "two"), Ending{Reason: "guest-reset"}
		e.Splats = []Splat{outOfMemoryIn(results.StageTest, "system is deadlocked on memory")}
		e.Splats[0].Owner = results.OwnerModule
	}, "FAIL@test panic", "system is deadlocked on memory"},
	{"the suite was killed for the memory it took", func(e *Evidence) {
		e.Guest = stopped(results.StageTest, "two")
		e.Guest.Exit, e.Guest.End = &SuiteExit{Signal: "SIGKILL"}, true
		e.Splats = []Splat{outOfMemoryIn(results.StageTest, "out of memory: killed process")}
	}, "ERROR@test infra", "out of memory: killed process"},
	{"a process was killed for its memory, and nothing came of it", func(e *Evidence) {
		e.Splats = []Splat{outOfMemoryIn(results.StageTest, "out of memory: killed process")}
	}, "PASS@", ""},
	{"the guest powered off in a spec", func(e *Evidence) { e.Guest, e.End = stopped(results.StageTest, "two"), Ending{Reason: CleanEnd} },
		"FAIL@test reset", "guest-shutdown"},
	{"QEMU was killed", func(e *Evidence) { e.Guest, e.End = stopped(results.StageTest, "two"), Ending{Reason: "host-signal"} },
		"ERROR@test infra", "host-signal"},
	{"init never returned", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageLoad, ""), Ending{Late: results.StageLoad, Seconds: 60, Reason: "host-qmp-quit"}
	}, "FAIL@load hang", "60 s"},
	{"init waits for ever, and the kernel says where", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageLoad, ""), Ending{Late: results.StageLoad, Seconds: 90, Reason: "guest-reset"}
		e.Guest.Stuck = []Stuck{{Stage: results.StageLoad, Text: "init (pid 99): msleep <- fifo_init"}}
		e.Place = "fifo_init [fifo] (fifo.c:12)"
	}, "FAIL@load hang", "load does not end: not back after 90 s, in fifo_init [fifo] (fifo.c:12)"},
	{"exit waits for ever, and only PID 1 saw where", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageUnload, ""), Ending{Late: results.StageUnload, Seconds: 90}
		e.Guest.Exit = &SuiteExit{}
		e.Guest.Stuck = []Stuck{{Stage: results.StageTest, Text: "another"}, {Stage: results.StageUnload, Text: "init (pid 99): wait_for_completion <- fifo_exit"}}
	}, "FAIL@unload hang", "not back after 90 s; init (pid 99): wait_for_completion <- fifo_exit"},
	{"a spec makes no progress, and its stack is known", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageTest, "two"), Ending{Late: results.StageTest, Still: true, Seconds: 30}
		e.Guest.Planned = append(e.Guest.Planned, wire.Spec{Name: "four"})
		e.Place = "fifo_ioctl [fifo] (fifo.c:12)"
	}, "FAIL@test hang", `"two" does not end: no progress for 30 s, in fifo_ioctl [fifo] (fifo.c:12); 2 specs never ran`},
	{"unload makes no progress", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageUnload, ""), Ending{Late: results.StageUnload, Still: true, Seconds: 30}
		e.Guest.Exit = &SuiteExit{}
		e.Guest.Stuck = []Stuck{{Stage: results.StageUnload, Text: "init (99): synchronize_rcu"}}
	}, "FAIL@unload hang", "unload does not end: no progress for 30 s; init (99): synchronize_rcu"},
	{"the kernel's own modules make no progress", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageBoot, ""), Ending{Late: results.StageBoot, Still: true, Seconds: 30}
	}, "ERROR@boot timeout", "30 s"},
	{"the guest froze in a spec", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageTest, "two"), Ending{Late: results.StageTest, Silent: true, Seconds: 30}
	}, "FAIL@test hang", `in "two"`},
	{"the suite is slow, the guest is alive", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageTest, "two"), Ending{Late: results.StageTest, Seconds: 600}
	}, "ERROR@test timeout", "600 s"},
	{"a spec that its suite could not end", func(e *Evidence) {
		e.Guest = stopped(results.StageTest, "two")
		e.Guest.Exit, e.Guest.End = &SuiteExit{Signal: "SIGKILL"}, true
	}, "FAIL@test timeout", `"two"`},
	{"one byte is wrong", func(e *Evidence) {
		e.Guest.Specs[1] = wire.Spec{Name: "two", State: "failed", Message: "Expected 1 to equal 2\nmore", Location: "fifo_test.go:12"}
		e.Guest.Exit.Code = 1
	}, "FAIL@test spec-failed", `"two": Expected 1 to equal 2 (fifo_test.go:12)`},
	{"a failure that takes several lines to say", func(e *Evidence) {
		e.Guest.Specs[1] = wire.Spec{Name: "two", State: "failed", Message: "Expected\n    <[]string | len:1>: [\"char 250 fifo\"]\nto be empty", Location: "fifo_test.go:12"}
		e.Guest.Exit.Code = 1
	}, "FAIL@test spec-failed", `"two": Expected ["char 250 fifo"] to be empty (fifo_test.go:12)`},
	{"a failure that takes a book to say", func(e *Evidence) {
		e.Guest.Specs[1] = wire.Spec{Name: "two", State: "failed", Message: "Timed out after 3.001s.\nExpected\n    <string>: " + strings.Repeat("x", 1<<20)}
	}, "FAIL@test spec-failed", "xxx…"},
	{"the suite's own set-up failed", func(e *Evidence) {
		e.Guest.Nodes = []wire.Spec{{Node: "BeforeSuite", State: "failed", Message: "no /dev/fifo"}}
		e.Guest.Specs, e.Guest.Exit.Code = nil, 1
	}, "FAIL@test spec-failed", "BeforeSuite failed: no /dev/fifo"},
	{"the suite died by itself", func(e *Evidence) {
		e.Guest.Specs, e.Guest.Running, e.Guest.Exit.Code = e.Guest.Specs[:1], "two", 2
	}, "ERROR@test spec-missing", `"two" was running`},
	{"the suite died and said of what", func(e *Evidence) {
		e.Guest.Specs, e.Guest.Running, e.Guest.Exit.Code = e.Guest.Specs[:1], "two", 2
		e.Guest.Output = "ok so far\npanic: runtime error: index out of range\n\ngoroutine 1 [running]:\nmain.main()\n"
	}, "ERROR@test spec-missing", `exited with 2: panic: runtime error: index out of range)`},
	{"a spec never reported", func(e *Evidence) { e.Guest.Specs = e.Guest.Specs[:1] }, "ERROR@test spec-missing", `"two"`},
	{"a state that nobody knows", func(e *Evidence) { e.Guest.Specs[0].State = "splendid" }, "ERROR@test spec-missing", `"one"`},
	{"the suite has a focus", func(e *Evidence) { e.Guest.Exit.Code = ginkgoFocused }, "ERROR@test spec-missing", "focus"},
	{"the suite failed and no spec did", func(e *Evidence) { e.Guest.Exit.Code = 1 }, "ERROR@test spec-missing", "exited with 1"},
	{"a suite without specs", func(e *Evidence) { e.Guest.Planned, e.Guest.Specs = nil, nil }, "ERROR@test spec-missing", "no specs"},
	{"every spec skipped", func(e *Evidence) {
		for i := range e.Guest.Specs {
			e.Guest.Specs[i].State, e.Guest.Specs[i].Message = "skipped", "needs >= 7.0"
		}
	}, "SKIP@test excluded", "needs >= 7.0"},
	{"one spec skipped", func(e *Evidence) { e.Guest.Specs[0].State = "skipped" }, "PASS@", ""},
	{"the module has no exit", func(e *Evidence) { e.Guest.Unloads[0].Errno = int(syscall.EBUSY) }, "FAIL@unload unload-failed", "EBUSY (device or resource busy): it has no exit function"},
	{"the module is in use", func(e *Evidence) { e.Guest.Unloads[0].Errno = int(syscall.EAGAIN) }, "FAIL@unload unload-failed", "something still uses it"},
	{"exit never returned", func(e *Evidence) {
		e.Guest, e.End = stopped(results.StageUnload, ""), Ending{Late: results.StageUnload, Seconds: 60}
		e.Guest.Exit = &SuiteExit{}
	}, "FAIL@unload hang", "unload"},
	{"a device number is left", func(e *Evidence) { e.Guest.Residue = []string{"/proc/devices: 240 fifo"} }, "FAIL@unload leak", "240 fifo"},
	{"a module that was never loaded", func(e *Evidence) { e.Modules = 2 }, "ERROR@load infra", "every module"},
	{"no end frame", func(e *Evidence) { e.Guest.End = false; e.End.Reason = "" }, "ERROR@shutdown infra", "never said"},
	{"the end frame, then a reset", func(e *Evidence) { e.End.Reason = "guest-reset" }, "FAIL@shutdown reset", "guest-reset"},
	{"the end frame, then a panic", func(e *Evidence) { e.End.Reason = "guest-panic" }, "FAIL@shutdown panic", "guest-panic"},
	{"the end frame, then QEMU was killed", func(e *Evidence) { e.End.Reason = "host-signal" }, "ERROR@shutdown infra", "host-signal"},
	{"the end frame, then no power-off", func(e *Evidence) { e.End = Ending{Late: results.StageShutdown, Seconds: 30} }, "ERROR@shutdown timeout", ""},
	{"frames were lost", func(e *Evidence) { e.Guest.Lost = true }, "ERROR@test infra", "lost"},
	{"a failed spec and a fault: the fault explains it", func(e *Evidence) {
		e.Guest.Specs[1].State = "failed"
		e.Splats = []Splat{splatIn(results.StageTest, "two", results.CodeSanitizer)}
	}, "FAIL@test sanitizer", "fifo_read"},
}

func TestJudge(t *testing.T) {
	for _, j := range judgements {
		t.Run(j.name, func(t *testing.T) {
			e := good()
			j.evidence(&e)
			rec := Judge(e)
			got := strings.TrimSpace(fmt.Sprintf("%s@%s %s", rec.Status, rec.Stage, rec.Code))
			if got != j.want {
				t.Errorf("got %s (%s), want %s", got, rec.Reason, j.want)
			}
			if !strings.Contains(rec.Reason, j.reason) {
				t.Errorf("reason %q does not say %q", rec.Reason, j.reason)
			}
			if rec.Status != results.Pass && rec.Reason == "" {
				t.Error("no reason given")
			}
		})
	}
}

// A hang has a place, or a note says why it has none.
func TestAHangWithoutAPlaceSaysWhy(t *testing.T) {
	for place, noted := range map[string]bool{"": true, "fifo_init [fifo] (fifo.c:12)": false} {
		e := good()
		e.Guest, e.End, e.Place = stopped(results.StageLoad, ""), Ending{Late: results.StageLoad, Silent: true, Seconds: 60}, place
		rec := Judge(e)
		if rec.Code != results.CodeHang || slices.Contains(rec.Notes, placeless) != noted {
			t.Errorf("place %q: %s %s, notes %q", place, rec.Code, rec.Reason, rec.Notes)
		}
	}
}

// Taking any one piece of proof away from a pass must end it.
func TestNoPassWithoutProof(t *testing.T) {
	frames := goodFrames()
	for i, frame := range frames {
		if frame.Kind == wire.KindTaint || frame.Kind == wire.KindSpecStart {
			continue // nets under other proof, not proof themselves; a gap in the numbers is seen all the same
		}
		e := good()
		e.Guest = guestOf(slices.Delete(slices.Clone(frames), i, i+1))
		if rec := Judge(e); rec.Status == results.Pass {
			t.Errorf("still a PASS without frame %d (%s %s)", i, frame.Kind, frame.Stage)
		}
	}
}

func TestForeignFramesAreIgnored(t *testing.T) {
	g := NewGuest("nonce")
	g.Add(wire.Frame{Kind: wire.KindEnd, Nonce: "guessed", Seq: 1})
	if g.End || g.Foreign != 1 {
		t.Errorf("a frame with another nonce counted: %+v", g)
	}
}
