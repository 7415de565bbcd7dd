package harness

import (
	"errors"
	"fmt"
	"slices"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

const oops = `
	console [    2.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000
	console [    2.000001] Oops: 0002 [#1] PREEMPT SMP NOPTI
	console [    2.000002] RIP: 0010:fifo_init+0x5/0x1000 [fifo]
	console [    2.000003] Kernel panic - not syncing: Fatal exception
	reset`

// endings come to their end by themselves.
var endings = slices.Concat([]ending{{name: "pass", script: ended("poweroff"), want: "PASS@"}},
	guestless, qemuEnds, monitorSays, kernelAlone, moduleFaults, suiteEnds, framesCome)

// guestless are targets that do not come as far as a guest.
var guestless = []ending{
	{name: "no-kernel", fetch: fmt.Errorf("%w: the disk is full", kernels.ErrUnavailable), want: "MISS@fetch infra", reason: "the disk is full"},
	{name: "build-error", build: &kbuild.Error{Code: results.CodeBuildError, Reason: "fifo.c:1: no"}, want: "FAIL@build build-error", reason: "fifo.c:1"},
	{name: "modpost", build: &kbuild.Error{Code: results.CodeModpostError, Reason: "kmap undefined"}, want: "FAIL@build modpost-error"},
	{name: "no-ko", build: &kbuild.Error{Code: results.CodeKoMissing, Reason: "nothing was built"}, want: "FAIL@build ko-missing"},
	{name: "vermagic", build: &kbuild.Error{Code: results.CodeVermagicMismatch, Reason: "for another"}, want: "FAIL@build vermagic-mismatch"},
	{name: "no-bwrap", build: errors.New("bwrap: no namespaces"), want: "ERROR@build infra", reason: "bwrap"},
}

// qemuEnds are QEMU's own end.
var qemuEnds = []ending{
	{name: "refuses", script: "refuse 1 no such machine", want: "ERROR@boot infra", reason: "no such machine"},
	{name: "asserts-at-start", script: "refuse 134 kvm_buf_set_msrs: Assertion failed.", want: "ERROR@boot infra", reason: "Assertion failed"},
	{name: "killed-at-start", script: "refuse -9", want: "ERROR@boot infra", reason: "QMP"},
	{name: "dies-before-a-byte", script: "die 1 no memory", want: "ERROR@boot infra", reason: "no memory"},
	{name: "dies-in-load", script: "call send boot begin:load\ndie 134 Assertion failed.", want: "ERROR@load infra", reason: "Assertion failed"},
	{name: "killed-in-test", script: "call send boot load begin:test start:one\ndie -9", want: "ERROR@test infra", reason: "qemu-died"},
	{name: "dies-mid-frame", script: "call send boot load\ncall spoil halve\ncall send begin:test\ndie 1 lost", want: "ERROR@load infra", reason: "lost"},
	{name: "killed-after-the-end", script: ended("die -9"), want: "ERROR@shutdown infra", reason: "qemu-died"},
}

// monitorSays are the words of the monitor.
var monitorSays = []ending{
	{name: "reset-after-the-end", script: ended("reset"), want: "FAIL@shutdown reset", reason: "guest-reset"},
	{name: "panic-after-the-end", script: ended("panic"), want: "FAIL@shutdown panic", reason: "guest-panic"},
	{name: "host-signal", script: ended("end host-signal"), want: "ERROR@shutdown infra", reason: "host-signal"},
	{name: "host-quit", script: ended("end host-qmp-quit"), want: "ERROR@shutdown infra", reason: "host-qmp-quit"},
	{name: "unheard-of", script: ended("end it-was-time"), want: "ERROR@shutdown infra", reason: "it-was-time"},
	{name: "no-reason", script: ended("end"), want: "ERROR@shutdown infra", reason: "qemu-died"},
	{name: "two-reasons", script: ended(`monitor {"event": "SHUTDOWN", "data": {"reason": "guest-reset"}}` + "\npoweroff"), want: "FAIL@shutdown reset", reason: "guest-reset"},
	{name: "terminated-in-test", script: "call send boot load begin:test start:one\nend host-signal", want: "ERROR@test infra", reason: "host-signal"},
	{name: "events-flood", script: "flood events\n" + ended("poweroff"), want: "PASS@"},
	{name: "monitor-hangs-up", script: passes("hangup"), want: "ERROR@shutdown infra", reason: "qemu-died"},
	{name: "monitor-rubbish", script: passes("monitor \xff\x00{{{{ rubbish\nmonitor {\"return\": 1}\nmonitor 7\nmonitor {\"event\": 7}"), want: "PASS@"},
	{name: "monitor-greets-with-rubbish", script: "greet SSH-2.0-OpenSSH\n" + ended("poweroff"), want: "ERROR@boot infra", reason: "QMP"},
}

// kernelAlone are guests whose kernel ends without the module's doing.
var kernelAlone = []ending{
	{name: "panics-at-boot", script: "console Kernel panic - not syncing: VFS: Unable to mount root fs\nreset", want: "MISS@boot boot-failed", reason: "Unable to mount root"},
	{name: "powers-off-at-boot", script: "console [    0.000000] Linux version 1\npoweroff", want: "MISS@boot boot-failed", reason: "guest-shutdown"},
	{name: "ends-before-the-load", script: "call send boot\npoweroff", want: "MISS@boot boot-failed", reason: "before the module was loaded"},
	{name: "another-kernel", script: "call send hello:9.9-other load test unload end\npoweroff", want: "ERROR@boot infra", reason: `booted "9.9-other"`},
	{name: "a-dependency", script: "call send boot\ncall frame {\"kind\":\"trouble\",\"text\":\"load virtio: no such file\"}\ncall send end\npoweroff", want: "ERROR@boot infra", reason: "load virtio"},
	{name: "splat-at-boot", script: "console [    0.5] WARNING: CPU: 0 PID: 1 at arch/x86/x.c:1 early_thing+0x1/0x2\n" + ended("poweroff"), want: "PASS@"},
}

// moduleFaults are what a module does.
var moduleFaults = []ending{
	{name: "refused", script: "call send boot begin:load\nconsole [    1.0] fifo: probe failed\ncall send loaded:22 done:load taint:load=0 end\npoweroff", want: "FAIL@load load-refused", reason: "EINVAL"},
	{name: "no-hardware", script: "call send boot begin:load\nconsole [    1.0] fifo: probe failed\ncall send loaded:19 done:load taint:load=0 end\npoweroff", want: "FAIL@load load-refused", reason: "but it loads on"},
	{name: "oops-in-init", script: "call send boot begin:load" + oops, want: "FAIL@load oops", reason: "fifo_init"},
	{name: "oops-in-a-spec", script: "call send boot load begin:test pass:one start:two" + oops, want: "FAIL@test oops", reason: `during "two"`},
	{name: "oops-in-exit", script: "call send boot load test begin:unload" + oops, want: "FAIL@unload oops", reason: "fifo_init"},
	{name: "panic-alone", script: "call send boot load begin:test start:one\nconsole [    2.0] Kernel panic - not syncing: fifo gives up\nreset", want: "FAIL@test panic", reason: "fifo gives up"},
	{name: "triple-fault", script: "call send boot load begin:test start:one\nreset", want: "FAIL@test reset", reason: `in "one"`},
	{name: "panic-on-the-monitor-alone", script: "call send boot load begin:test start:one\npanic", want: "FAIL@test panic", reason: "guest-panic"},
	{name: "powers-off-in-test", script: "call send boot load begin:test start:one\npoweroff", want: "FAIL@test reset", reason: "guest-shutdown"},
	{name: "warns-though-all-pass", script: passes("console [    2.0] WARNING: CPU: 0 PID: 1 at fifo.c:7 fifo_read+0x1/0x2 [fifo]"), want: "FAIL@test warn", reason: "fifo_read"},
	{name: "sanitizer", script: passes("console [    2.0] BUG: KASAN: slab-use-after-free in fifo_read+0x1/0x2 [fifo]"), want: "FAIL@test sanitizer", reason: "fifo_read"},
	{name: "lockdep", script: passes("console [    2.0] WARNING: possible circular locking dependency detected"), want: "FAIL@test lockdep"},
	{name: "splat-after-the-end", script: ended("console [    9.0] WARNING: CPU: 0 PID: 1 at fifo.c:7 fifo_late+0x1/0x2 [fifo]\npoweroff"), want: "FAIL@shutdown warn", reason: "fifo_late"},
	{name: "panic-said-after-the-end", script: ended("console [    9.0] Kernel panic - not syncing: too late\nreset"), want: "FAIL@shutdown panic", reason: "too late"},
	{name: "half-a-line-of-panic", script: "call send boot load begin:test start:one\nconsole- [    2.0] Kernel panic - not sync\nreset", want: "FAIL@test reset"},
	{name: "tainted", script: "call send boot load begin:test pass:one pass:two exit:0 done:test taint:test=4608 unload end\npoweroff", want: "FAIL@test taint", reason: "tainted W"},
	{name: "taint-goes-down", script: "call send hello taint:boot=512 plan:one,two load test unload end\npoweroff", want: "ERROR@shutdown infra", reason: "taint"},
	{name: "takes-all-memory-in-init", script: "call send boot begin:load\nconsole [    2.0] Kernel panic - not syncing: System is deadlocked on memory\nreset", want: "FAIL@load panic", reason: "no memory is left"},
	{name: "no-memory-in-a-spec", script: "call send boot load begin:test start:one\nconsole [    2.0] Kernel panic - not syncing: System is deadlocked on memory\nreset", want: "ERROR@test infra", reason: "too little memory"},
	{name: "suite-takes-all-memory", script: "call send boot load begin:test start:one\nconsole [    2.0] Out of memory: Killed process 42 (suite.test) total-vm:9kB\n" +
		"call frame {\"kind\":\"suite-end\",\"signal\":\"killed\"}\ncall send done:test unload end\npoweroff", want: "ERROR@test infra", reason: "too little memory"},
	{name: "does-not-unload", script: "call send boot load test begin:unload unloaded:11 done:unload end\npoweroff", want: "FAIL@unload unload-failed", reason: "EAGAIN"},
	{name: "leaves-something", script: "call send boot load test begin:unload unloaded\ncall frame {\"kind\":\"residue\",\"text\":\"/proc/fifo\"}\ncall send done:unload end\npoweroff", want: "FAIL@unload leak", reason: "/proc/fifo"},
}

// suiteEnds are ways in which a suite goes through, or does not.
var suiteEnds = []ending{
	{name: "spec-fails", script: tests("pass:one fail:two exit:1"), want: "FAIL@test spec-failed", reason: `"two"`},
	{name: "spec-panics", script: tests("pass:one panic:two exit:1"), want: "FAIL@test spec-failed", reason: `"two"`},
	{name: "before-suite-fails", script: "call send boot load begin:test\ncall frame {\"kind\":\"suite-error\",\"spec\":{\"name\":\"BeforeSuite\",\"node\":\"BeforeSuite\",\"state\":\"failed\",\"message\":\"no device\"}}\ncall send exit:1 done:test unload end\npoweroff", want: "FAIL@test spec-failed", reason: "BeforeSuite failed: no device"},
	{name: "fault-announced", script: "call send boot load begin:test pass:one start:two\ncall frame {\"kind\":\"expect\",\"spec\":{\"name\":\"two\"},\"text\":\"WARNING.*fifo_test\",\"count\":1}\n" +
		"console [    2.0] WARNING: CPU: 0 PID: 1 at fifo.c:7 fifo_test+0x1/0x2 [fifo]\ncall send ended:two exit:0 done:test taint:test=4608 begin:unload unloaded done:unload taint:unload=4608 end\npoweroff", want: "PASS@"},
	{name: "fault-announced-in-vain", script: "call send boot load begin:test pass:one start:two\ncall frame {\"kind\":\"expect\",\"spec\":{\"name\":\"two\"},\"text\":\"WARNING.*fifo_test\",\"count\":1}\n" +
		"call send ended:two exit:0 done:test unload end\npoweroff", want: "FAIL@test spec-failed", reason: "did not come"},
	{name: "exits-with-1", script: tests("pass:one pass:two exit:1"), want: "ERROR@test spec-missing", reason: "exited with 1"},
	{name: "exits-with-2", script: tests("exit:2"), want: "ERROR@test spec-missing", reason: "exited with 2"},
	{name: "focused", script: tests("pass:one skip:two exit:197"), want: "ERROR@test spec-missing", reason: "remove the focus"},
	{name: "suite-killed", script: "call send boot load begin:test pass:one\ncall frame {\"kind\":\"suite-end\",\"signal\":\"killed\"}\ncall send done:test unload end\npoweroff", want: "ERROR@test spec-missing", reason: "killed"},
	{name: "suite-killed-in-a-spec", script: "call send boot load begin:test start:one\ncall frame {\"kind\":\"suite-end\",\"signal\":\"killed\"}\ncall send done:test unload end\npoweroff", want: "FAIL@test timeout", reason: `"one" did not end`},
	{name: "suite-end-unreported", script: tests("pass:one pass:two"), want: "ERROR@test spec-missing", reason: "never reported"},
	{name: "spec-missing", script: tests("pass:one exit:0"), want: "ERROR@test spec-missing", reason: `first "two"`},
	{name: "spec-never-ends", script: tests("pass:one start:two exit:0"), want: "ERROR@test spec-missing", reason: `"two" was running`},
	{name: "spec-never-ends-and-others-do", script: tests("start:one pass:two exit:0"), want: "ERROR@test spec-missing", reason: `first "one"`},
	{name: "spec-ends-twice", script: tests("pass:one ended:one pass:two exit:0"), want: "PASS@"},
	{name: "spec-ends-twice-and-fails", script: tests("pass:one fail:one pass:two exit:0"), want: "FAIL@test spec-failed", reason: `"one"`},
	{name: "spec-never-begun", script: tests("pass:one ended:two exit:0"), want: "PASS@"},
	{name: "spec-never-planned", script: tests("pass:one pass:two pass:three exit:0"), want: "PASS@"},
	{name: "spec-never-planned-fails", script: tests("pass:one pass:two fail:three exit:1"), want: "FAIL@test spec-failed", reason: `"three"`},
	{name: "no-specs", script: "call send hello taint:boot=0 load begin:test exit:0 done:test unload end\npoweroff", want: "ERROR@test spec-missing", reason: "no specs"},
	{name: "all-skipped", script: tests("skip:one skip:two exit:0"), want: "SKIP@test excluded", reason: "every spec was skipped"},
	{name: "a-huge-plan", script: "call send hello taint:boot=0 plan:100000 load begin:test\ncall flood passes 100\ncall send exit:0 done:test unload end\npoweroff", want: "ERROR@test spec-missing", reason: "never ran"},
	{name: "more-specs-than-are-kept", script: "call send hello taint:boot=0 plan:10001 load begin:test\ncall flood ends 10001\ncall send exit:0 done:test unload end\npoweroff", want: "ERROR@shutdown infra", reason: "more than 9999 specs"},
	{name: "huge-names", script: "call send boot load begin:test pass:one pass:two\ncall flood names 5\ncall flood output 5\ncall send exit:0 done:test unload end\npoweroff", want: "PASS@"},
}

// framesCome are what becomes of the line on which frames come.
var framesCome = []ending{
	{name: "only-rubbish", script: "report \xf5MMX rubbish\nreport {\"kind\":\"end\"}\npoweroff", want: "MISS@boot boot-failed", reason: "guest-shutdown"},
	{name: "rubbish-between-frames", script: passes("report \xf5MMX rubbish \xf5\xf5\xf5"), want: "PASS@"},
	{name: "no-end-frame", script: "call send boot load test unload\npoweroff", want: "FAIL@unload reset"},
	{name: "two-end-frames", script: ended("call send over\npoweroff"), want: "ERROR@shutdown infra", reason: "after its end"},
	{name: "frames-after-the-end", script: ended("call send begin:test pass:one\npoweroff"), want: "ERROR@shutdown infra", reason: "after its end"},
	{name: "heartbeat-after-the-end", script: ended("call frame {\"kind\":\"heartbeat\"}\npoweroff"), want: "PASS@"},
	{name: "end-without-unload", script: "call send boot load test end\npoweroff", want: "ERROR@load infra", reason: "unloaded every module"},
	{name: "end-without-load", script: "call send boot end\npoweroff", want: "ERROR@test spec-missing"},
	{name: "end-alone", script: "call send over\npoweroff", want: "MISS@boot boot-failed"},
	{name: "lost-frame", script: passes("call spoil lose\ncall send taint:test=4096"), want: "ERROR@test infra", reason: "lost"},
	{name: "garbled-frame", script: passes("call spoil garble\ncall send taint:test=4096"), want: "ERROR@test infra", reason: "lost"},
	{name: "half-a-frame", script: passes("call spoil halve\ncall send taint:test=4096"), want: "ERROR@test infra", reason: "lost"},
	{name: "frame-comes-twice", script: passes("call spoil double\ncall send taint:test=4096"), want: "ERROR@test infra", reason: "lost"},
	{name: "frame-replayed", script: passes("call send taint:test=4096\ncall spoil again\ncall send taint:test=4096"), want: "ERROR@test infra", reason: "lost"},
	{name: "forged-nonce", script: "call send boot load begin:test\ncall forge guessed\ncall send pass:one pass:two exit:0 done:test unload end\npoweroff", want: "FAIL@test reset"},
	{name: "forged-failure", script: passes("call forge guessed\ncall send fail:one\ncall forge"), want: "PASS@"},
	{name: "forged-end", script: "call send boot load begin:test start:one\ncall forge itself\ncall send ended:one pass:two exit:0 done:test unload end\ncall forge\ncall send ended:one pass:two exit:0 done:test unload end\npoweroff", want: "ERROR@shutdown infra", reason: "after its end"},
	{name: "longest-frame", script: passes("call spoil stretch:1048576\ncall send taint:test=4096"), want: "PASS@"},
	{name: "too-long-a-frame", script: passes("call spoil stretch:1048577\ncall send taint:test=4096"), want: "ERROR@test infra", reason: "lost"},
	{name: "hello-twice", script: passes("call send hello"), want: "ERROR@shutdown infra", reason: "hello"},
	{name: "plan-after-the-load", script: "call send boot load plan:ghost begin:test pass:one pass:two pass:ghost exit:0 done:test taint:test=4096 unload end\npoweroff", want: "ERROR@shutdown infra", reason: "planned specs after"},
	{name: "hello-as-another", script: "call send hello:9.9-other hello taint:boot=0 plan:one,two load test unload end\npoweroff", want: "ERROR@shutdown infra", reason: `as "9.9-other"`},
}

// mute are guests that never speak, which only a deadline ends.
var mute = []ending{
	{name: "no-first-byte", want: "MISS@boot boot-failed", reason: "did not reach"},
	{name: "hangs-at-boot", script: "console [    0.1] Probing EDD", want: "MISS@boot boot-failed", reason: "Probing EDD"},
	{name: "stops-at-boot", script: "freeze", want: "MISS@boot boot-failed", reason: "did not reach"},
}

// silent are guests that fall silent, or that wait for something in the kernel that does not end.
var silent = []ending{
	{name: "hangs-before-the-load", script: "call send boot", want: "ERROR@boot timeout", reason: "during boot"},
	{name: "hangs-in-load", script: "call send boot begin:load", want: "FAIL@load hang", reason: "no answer"},
	{name: "load-never-ends", script: "call send boot begin:load\ncall heartbeats", want: "FAIL@load hang"},
	{name: "stacks-that-were-asked-for", script: "call send boot begin:load\ncall frame {\"kind\":\"stuck\",\"stage\":\"load\",\"text\":\"init (99): msleep <- fifo_init\"}\n" +
		"console [    2.000001] Call Trace:\nconsole [    2.000002]  <TASK>\nconsole [    2.000003]  futex_do_wait+0x38/0x70\ncall heartbeats", want: "FAIL@load hang", reason: "msleep <- fifo_init"},
	{name: "hangs-in-a-spec", script: "call send boot load begin:test start:one", want: "FAIL@test hang", reason: `in "one"`},
	{name: "hangs-between-specs", script: "call send boot load begin:test pass:one", want: "FAIL@test hang", reason: "during test"},
	{name: "hangs-in-unload", script: "call send boot load test begin:unload", want: "FAIL@unload hang", reason: "no answer"},
	{name: "unload-never-ends", script: "call send boot load test begin:unload\ncall heartbeats", want: "FAIL@unload hang"},
	{name: "a-spec-stands-still", script: "call send boot load begin:test start:one\ncall frame {\"kind\":\"stuck\",\"stage\":\"test\",\"text\":\"a (9): fifo_ioctl [fifo]\",\"stack\":\"[<0>] fifo_ioctl+0x1/0x2 [fifo]\"}\n" +
		"call heartbeats still", want: "FAIL@test hang", reason: `"one" does not end: no progress for 0 s, in fifo_ioctl [fifo]; 1 spec never ran`},
	{name: "unload-stands-still", script: "call send boot load test begin:unload\ncall heartbeats still", want: "FAIL@unload hang", reason: "unload does not end: no progress"},
	{name: "never-powers-off", script: ended(""), want: "ERROR@shutdown timeout", reason: "no end"},
	{name: "qemu-stands-still", script: "call send boot load begin:test start:one\nfreeze", want: "FAIL@test hang", reason: `in "one"`},
	{name: "hangs-after-a-splat", script: "call send boot load begin:test start:one\nconsole [    2.0] WARNING: CPU: 0 PID: 1 at fifo.c:7 fifo_read+0x1/0x2 [fifo]", want: "FAIL@test warn", reason: "fifo_read"},
}

// muteMonitors are of a QEMU that has nothing to say.
var muteMonitors = []ending{
	{name: "monitor-never-answers", script: "mute\n" + ended("poweroff"), want: "ERROR@boot infra", reason: "did not come up"},
	{name: "monitor-never-lets-it-run", script: "mute cont\n" + ended("poweroff"), want: "ERROR@boot infra", reason: "did not come up"},
}

// endless are guests that have something to say for as long as they are let.
var endless = []ending{
	{name: "suite-goes-on", script: "call send boot load begin:test start:one\ncall heartbeats", want: "ERROR@test timeout", reason: "not through"},
	{name: "prints-for-ever", script: "call send boot load begin:test start:one\ncall heartbeats\nflood console 1000000000000", want: "ERROR@test timeout", reason: "not through"},
}

// clones happen to templates and to what is made of them.
var clones = []ending{
	{name: "clone-passes", script: "[share=on] call ready\n[-incoming] call send through\n[-incoming] poweroff", want: "PASS@"},
	{name: "panics-before-ready", script: "console Kernel panic - not syncing: no init found\nreset", want: "MISS@boot boot-failed", reason: "no init found"},
	{name: "dies-before-ready", script: "die 134 Assertion failed.", want: "ERROR@boot infra", reason: "Assertion failed"},
	{name: "save-fails", script: "[share=on] migration fails no room\n[share=on] call ready\n[!share=on] call send through\n[!share=on] poweroff", want: "PASS@"},
	{name: "restore-fails", script: "[share=on] call ready\n[-incoming] migration fails bad state\n[!share=on] call send through\n[!share=on] poweroff", want: "PASS@"},
	{name: "clone-dies-at-once", script: "[share=on] call ready\n[-incoming] die 134 Assertion failed.", want: "ERROR@boot infra", reason: "Assertion failed"},
	{name: "clone-is-killed", script: "[share=on] call ready\n[-incoming] call send boot load begin:test start:one\n[-incoming] die -9", want: "ERROR@test infra", reason: "qemu-died"},
	{name: "clone-says-what-its-template-said", script: "call ready\n[-incoming] poweroff", want: "MISS@boot boot-failed", reason: "guest-shutdown"},
}

// neverReady are templates that never speak.
var neverReady = []ending{
	{name: "never-ready", script: "console [    0.1] Probing EDD", want: "MISS@boot boot-failed", reason: "Probing EDD"},
}

// muteClones are clones that never speak.
var muteClones = []ending{
	{name: "clone-never-speaks", script: "[share=on] call ready", want: "MISS@boot boot-failed", reason: "did not reach"},
}
