package results

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// beside gives rec what came of the kernel's own copy.
func (rec Record) beside(status Status, stage Stage, code Code, reason string, specs ...Spec) Record {
	theirs := Record{Target: rec.Target, Suite: rec.Suite, Status: status, Stage: stage, Code: code, Reason: reason, Specs: specs, Attempts: 1,
		Artifacts: Artifacts{Console: "cells/" + rec.Target.Release + "/" + rec.Suite + "/in-tree/console.log"}}
	rec.InTreeRun = &InTreeRun{Modules: []string{"mydriver"}, Record: theirs}
	return rec
}

// compared is a run in which the kernel's own copy came to everything that it can, beside a module that came to something else.
func compared() *Results {
	refused := func(rec Record) Record {
		return rec.decided(Fail, StageBuild, CodeBuildError, "io.c:812: too few arguments to function 'submit_it'")
	}
	bad := Spec{Name: "drains", Status: Fail, Message: "Expected 1 to equal 2", Location: "drain_test.go:31"}
	none := cell("6.18.1-amd64", "lifecycle", specs(14)...)
	none.Notes = []string{"in tree: this kernel has no mydriver of its own to compare with"}
	r := &Results{Module: Module{Name: "mydriver", Version: "2.2"}, Records: []Record{
		cell("5.10.0-46-amd64", "lifecycle", specs(14)...).beside(Pass, "", "", "", specs(14)...),
		cell("6.1.0-56-amd64", "lifecycle", specs(14)...).beside(Fail, StageLoad, CodeLoadRefused, "mydriver refused: EINVAL (invalid argument)"),
		cell("6.12.107+deb13-amd64", "lifecycle", specs(14)...).beside(Fail, StageTest, CodeSpecFailed, `"drains": Expected 1 to equal 2`, append(specs(13), bad)...),
		none,
		cell("6.19.2-amd64", "lifecycle", specs(14)...).beside(Error, StageTest, CodeInfra, "QEMU ended: signal: killed"),
		refused(cell("7.2.12+deb13-amd64", "lifecycle")).beside(Pass, "", "", "", specs(14)...),
		refused(cell("7.3.4+deb13-amd64", "lifecycle")).beside(Fail, StageLoad, CodeLoadRefused, "mydriver refused: EINVAL (invalid argument)"),
	}}
	r.Finish()
	return r
}

func TestInTreeRunsAreShownBeside(t *testing.T) {
	golden(t, "in-tree.txt", []byte(text(t, compared(), TextOptions{Dir: "out"})))
	var md strings.Builder
	if err := Markdown(&md, compared()); err != nil {
		t.Fatal(err)
	}
	golden(t, "in-tree.md", []byte(md.String()))
}

// Nothing that is counted counts the kernel's own copy, whatever came of it.
func TestInTreeRunsAreNotCounted(t *testing.T) {
	for _, ours := range Statuses {
		for _, theirs := range Statuses {
			plain := &Results{Records: []Record{cell("6.1.0-amd64", "a").decided(ours, StageTest, CodeInfra, "x"), cell("6.2.0-amd64", "a")}}
			plain.Finish()
			both := &Results{Records: []Record{plain.Records[0].beside(theirs, StageTest, CodeInfra, "y"), plain.Records[1].beside(Fail, StageLoad, CodeOops, "z")}}
			both.Finish()
			if both.ExitCode() != plain.ExitCode() || both.Summary[Fail] != plain.Summary[Fail] || both.Summary[Pass] != plain.Summary[Pass] || len(both.Records) != 2 {
				t.Errorf("%s beside %s: exit code %d, %v; alone %d, %v", ours, theirs, both.ExitCode(), both.Summary, plain.ExitCode(), plain.Summary)
			}
			if a, b := totals(both.grid(), 0), totals(plain.grid(), 0); a != b {
				t.Errorf("%s beside %s: %q, alone %q", ours, theirs, a, b)
			}
			if a, b := len(turns(both.grid())), len(turns(plain.grid())); a != b {
				t.Errorf("%s beside %s: %d turns, alone %d", ours, theirs, a, b)
			}
		}
	}
}

func TestInTreeRunsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := compared().Write(path); err != nil {
		t.Fatal(err)
	}
	again, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if compared().JSON(&a) != nil || again.JSON(&b) != nil || a.String() != b.String() {
		t.Error("it is another document when it comes back")
	}
	if files := again.Records[0].Files(); len(files) != 3 || !strings.Contains(files[2], "in-tree/") {
		t.Errorf("its files are %v", files)
	}
	if strings.Contains(a.String(), "null") {
		t.Error("a list is null")
	}
}

func TestInTreeRunsOfStrangers(t *testing.T) {
	for name, spoil := range map[string]func(*InTreeRun){
		"a copy of a copy":         func(run *InTreeRun) { run.Record.InTreeRun = &InTreeRun{} },
		"lies outside":             func(run *InTreeRun) { run.Record.Artifacts.Console = "../../etc/passwd" },
		"unknown status \"MAYBE\"": func(run *InTreeRun) { run.Record.Status = "MAYBE" },
	} {
		r := compared()
		spoil(r.Records[0].InTreeRun)
		if err := r.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
