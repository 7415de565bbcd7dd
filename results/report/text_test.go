package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
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

func target(release string) results.Target {
	version, _, _ := strings.Cut(release, "+")
	version, _, _ = strings.Cut(version, "-")
	return results.Target{Release: release, Version: version, Arch: "x86_64", Flavour: "amd64", Source: "debian:trixie"}
}

func cell(release, suite string, specs ...results.Spec) results.Record {
	return results.Record{Target: target(release), Suite: suite, Status: results.Pass, Specs: specs, Attempts: 1,
		Timings:   results.Timings{Build: 4100, Boot: 4000, Load: 12, Test: 800, Total: 9000},
		Artifacts: results.Artifacts{BuildLog: "cells/" + release + "/" + suite + "/build.log", Console: "cells/" + release + "/" + suite + "/console.log"}}
}

func decided(rec results.Record, s results.Status, stage results.Stage, code results.Code, reason string) results.Record {
	rec.Status, rec.Stage, rec.Code, rec.Reason = s, stage, code, reason
	return rec
}

func specs(passed int) []results.Spec {
	return repeat(results.Spec{Name: "works", Status: results.Pass, DurationMS: 10, Attempts: 1}, passed)
}

func repeat(s results.Spec, n int) []results.Spec {
	var all []results.Spec
	for range n {
		all = append(all, s)
	}
	return all
}

// everything is a run in which one of each thing happened.
func everything(t testing.TB) *results.Results {
	t.Helper()
	r, err := results.Read("../testdata/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// evil is a run whose module, compiler and guest say whatever might do harm where it is shown.
func evil() *results.Results {
	mean := "\x1b[2J\x1b]0;owned\x07::error::x\n::error file=a::b\r##vso[task]\u202egnp.exe\u200b\x00\xff <script>alert(1)</script> a|b \\| `` ` @all [x](http://e) **b** $(reboot) `reboot` 'q'"
	rec := cell("6.1.0\n::warning::-amd64", "su|ite\x1b[31m", results.Spec{Name: mean, Status: results.Fail, Location: mean})
	rec = decided(rec, results.Fail, results.StageTest, results.CodeSpecFailed, mean)
	rec.Notes = []string{mean}
	long := decided(cell("6.2.0-amd64", "su|ite\x1b[31m"), results.Error, results.StageBoot, results.CodeInfra, strings.Repeat("ä\u202e", 5000))
	long.Artifacts.Console = "cells/\x1b[31m/::x"
	r := &results.Results{Module: results.Module{Name: "::error::m\n" + mean, Version: "\x1b[31m1"}, Records: []results.Record{rec, long}}
	r.Finish()
	return r
}

func text(t *testing.T, r *results.Results, opt Options) string {
	t.Helper()
	var b strings.Builder
	if err := Text(&b, r, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextIsWhatAPersonReads(t *testing.T) {
	opt := Options{Dir: "modmatrix-out", Elapsed: 38 * time.Second}
	golden(t, "everything.txt", []byte(text(t, everything(t), opt)))
	opt.Width = 80
	golden(t, "everything-80.txt", []byte(text(t, everything(t), opt)))
	opt.Width, opt.Color = 0, true
	golden(t, "everything-colour.txt", []byte(text(t, everything(t), opt)))
}

func TestMarkdownIsWhatAReviewerReads(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, everything(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "everything.md", b.Bytes())
	b.Reset()
	if err := Markdown(&b, evil()); err != nil {
		t.Fatal(err)
	}
	golden(t, "evil.md", b.Bytes())
}

func TestForeignTextCanOnlyBeRead(t *testing.T) {
	got := text(t, evil(), Options{})
	golden(t, "evil.txt", []byte(got))
	for line := range strings.Lines(got) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.HasPrefix(strings.TrimSpace(line), "##") {
			t.Errorf("a CI would take this line for a command: %q", line)
		}
		if len(line) > 4<<10 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	for _, bad := range []string{"\x1b", "\x07", "\r", "\u202e", "\u200b", "\x00", "\xff"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q came through", bad)
		}
	}
}

func TestABuildAloneHasNoColumnsForTheGuest(t *testing.T) {
	built := results.Record{Target: target("6.1.0-56-amd64"), Suite: "lifecycle", Status: results.Pass, Timings: results.Timings{Build: 2100, Total: 2200}}
	broken := decided(results.Record{Target: target("7.2.12+deb13-amd64"), Suite: "lifecycle"}, results.Fail, results.StageBuild, results.CodeModpostError, `"kmap" undefined`)
	r := &results.Results{Run: results.Run{Asked: results.Asked{Words: []string{"build"}}}, Module: results.Module{Name: "mydriver"}, Records: []results.Record{built, broken}}
	r.Finish()
	golden(t, "build.txt", []byte(text(t, r, Options{})))
}

func TestAHoleIsAMissAndNeverBlank(t *testing.T) {
	r := &results.Results{Module: results.Module{Name: "mydriver"}, Records: []results.Record{
		cell("6.1.0-56-amd64", "lifecycle", specs(2)...), cell("6.1.0-56-amd64", "mysuite", specs(2)...), cell("6.12.1-amd64", "mysuite", specs(2)...)}}
	r.Finish()
	if code := r.ExitCode(); code != results.ExitTrouble {
		t.Errorf("exit code %d for a matrix with a hole", code)
	}
	golden(t, "hole.txt", []byte(text(t, r, Options{})))
}

func FuzzABarEndsNoCell(f *testing.F) {
	f.Add("\x1b[2J\r\n::error::\u202e\xff\x00`|`")
	f.Add(`a\|b`)
	f.Fuzz(func(t *testing.T, s string) {
		if c := cellCode(s); strings.Contains(strings.ReplaceAll(c, `\|`, ""), "|") || strings.Contains(c, `\\|`) {
			t.Errorf("a bar ends the cell: %q", c)
		}
	})
}
