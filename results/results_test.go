package results

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with the file testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}

func target(release string) Target {
	version, _, _ := strings.Cut(release, "+")
	version, _, _ = strings.Cut(version, "-")
	return Target{Release: release, Version: version, Arch: "x86_64", Flavour: "amd64", Source: "debian:trixie"}
}

func cell(release, suite string, specs ...Spec) Record {
	return Record{Target: target(release), Suite: suite, Status: Pass, Specs: specs, Attempts: 1,
		Timings:   Timings{Build: 4100, Boot: 4000, Load: 12, Test: 800, Total: 9000},
		Artifacts: Artifacts{BuildLog: "cells/" + release + "/" + suite + "/build.log", Console: "cells/" + release + "/" + suite + "/console.log"}}
}

func (rec Record) decided(s Status, stage Stage, code Code, reason string) Record {
	rec.Status, rec.Stage, rec.Code, rec.Reason = s, stage, code, reason
	return rec
}

func specs(passed int) []Spec {
	return repeat(Spec{Name: "works", Status: Pass, DurationMS: 10, Attempts: 1}, passed)
}

func repeat(s Spec, n int) []Spec {
	var all []Spec
	for range n {
		all = append(all, s)
	}
	return all
}

// everything is a run in which one of each thing happened.
func everything() *Results {
	started := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := &Results{
		Run: Run{ID: "r1", Started: started, Tool: "modmatrix 0.1.0", PlanDigest: "sha256:00", Host: Host{Arch: "x86_64", Accelerator: "tcg", CPUModel: "max", QEMU: "7.2.22"},
			Asked: Asked{Words: []string{"run", "drv"}, Suites: map[string]string{"mysuite": "./suites/mysuite"}}},
		Module: Module{Name: "mydriver", Version: "2.2", SourceDigest: "sha256:11", Git: &Git{"0123456789ab", true}},
	}
	cached := cell("6.1.0-56-amd64", "lifecycle", specs(14)...)
	cached.Timings.Build = 0
	cached2 := cell("6.1.0-56-amd64", "mysuite", append(specs(20), repeat(Spec{Name: "needs io_uring", Status: Skip}, 2)...)...)
	cached2.Timings.Build = 0
	spec := Spec{Name: `log "A|B" drains before suspend`, Status: Fail, Message: "Expected 1 to equal 2", Location: "drain_test.go:31"}
	failed := cell("6.12.107+deb13-amd64", "mysuite", append(specs(21), spec)...).
		decided(Fail, StageTest, CodeSpecFailed, `"log drains before suspend" failed: Expected 1 to equal 2 (drain_test.go:31)`)
	warned := cell("6.12.9+deb13-amd64", "mysuite", specs(22)...).decided(Fail, StageTest, CodeWarn, `WARNING in my_flush (during "drains")`)
	warned.Splats = []Splat{{Title: "WARNING: at boot", Stage: StageBoot, Line: 7}, {Title: "WARNING in my_flush", Kind: "warn", Stage: StageTest, Line: 412}}
	refused := "io.c:812: too few arguments to function 'submit_it'"
	leak := cell("6.18.1-cloud-amd64", "lifecycle", specs(14)...).decided(Fail, StageUnload, CodeLeak, "/proc/mydriver is left behind after unload")
	leak.Target.Flavour, leak.Target.Profile, leak.Notes = "cloud-amd64", "kasan", []string{"the kernel dropped 3 messages"}
	driven := cell("5.10.0-46-amd64", "mysuite", specs(22)...)
	driven.Firmware = []string{"mydriver/fw.bin"}
	driven.Hardware = []Device{
		{Bus: "pci", ID: "1234:11e8", Driver: "mydriver", Description: "subsystem 1af4:1100, class 00ff00, revision 10"},
		{Bus: "usb", ID: "0627:0001", Driver: "mydriver_usb", Name: "QEMU USB Keyboard", Description: "T:  Bus=01 Lev=01 Prnt=01\nP:  Vendor=0627 ProdID=0001 Rev= 0.00", Own: true},
	}
	r.Records = []Record{
		cell("7.3.4+deb13-amd64", "lifecycle").decided(Fail, StageBuild, CodeBuildError, refused),
		cell("7.2.12+deb13-amd64", "lifecycle").decided(Fail, StageBuild, CodeBuildError, refused),
		cell("7.3.4+deb13-amd64", "mysuite").decided(Fail, StageBuild, CodeBuildError, refused),
		cell("7.2.12+deb13-amd64", "mysuite").decided(Fail, StageBuild, CodeBuildError, refused),
		cell("5.10.0-46-amd64", "lifecycle", specs(14)...), driven,
		cached, cached2, cell("6.12.107+deb13-amd64", "lifecycle", specs(14)...), failed,
		cell("6.12.9+deb13-amd64", "lifecycle", specs(14)...), warned,
		leak,
		cell("6.19.2-amd64", "lifecycle").decided(Skip, StageBuild, CodeExcluded, "dkms.conf: BUILD_EXCLUSIVE_KERNEL=^5"),
		cell("6.19.2-amd64", "mysuite").decided(Skip, StageBuild, CodeExcluded, "dkms.conf: BUILD_EXCLUSIVE_KERNEL=^5"),
		cell("7.0.1-amd64", "lifecycle").decided(Fail, StageLoad, CodeLoadRefused, "mydriver refused: no such device: probe failed"),
		cell("7.0.1-amd64", "mysuite").decided(Error, StageTest, CodeInfra, "QEMU ended: signal: killed"),
		{Target: Target{Source: "debian:trixie-backports@6.17"}, Suite: "lifecycle", Status: Miss, Stage: StageFetch, Code: CodeInfra, Reason: "the archive holds its image, but no headers"},
		{Target: Target{Source: "debian:trixie-backports@6.17"}, Suite: "mysuite", Status: Miss, Stage: StageFetch, Code: CodeInfra, Reason: "the archive holds its image, but no headers"},
	}
	r.Finish()
	return r
}

func TestExitCodeIsTheWorstThatHappened(t *testing.T) {
	for _, tc := range []struct {
		statuses []Status
		want     int
	}{
		{nil, ExitTrouble},
		{[]Status{Pass}, ExitPass},
		{[]Status{Pass, Skip}, ExitPass},
		{[]Status{Skip}, ExitTrouble},
		{[]Status{Skip, Skip}, ExitTrouble},
		{[]Status{Pass, Miss}, ExitTrouble},
		{[]Status{Error, Skip}, ExitTrouble},
		{[]Status{Error, Miss, Fail, Pass}, ExitFail},
		{[]Status{Pass, ""}, ExitTrouble},
		{[]Status{""}, ExitTrouble},
		{[]Status{Pass, "GREEN"}, ExitTrouble},
	} {
		r := &Results{}
		for i, s := range tc.statuses {
			r.Records = append(r.Records, Record{Target: target("6." + string(rune('1'+i)) + ".0"), Suite: "s", Status: s})
		}
		if got := r.ExitCode(); got != tc.want {
			t.Errorf("%q: exit code %d, want %d", tc.statuses, got, tc.want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("WARNING in my_flush")
	f.Add("\x1b[2J\r\n::error::\u202e\xff\x00`|`")
	f.Add(strings.Repeat("ä", 700))
	f.Fuzz(func(t *testing.T, s string) {
		got := Plain(s)
		for _, r := range got {
			if r != ' ' && (r < ' ' || r == '\u202e' || r == '\x7f' || r == '\u2028' || r == '\u200b') {
				t.Errorf("%q came through in %q", r, got)
			}
		}
		if again := Plain(got); len(got) <= maxText && again != got {
			t.Errorf("not stable: %q, then %q", got, again)
		}
	})
}
