package report

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// beside gives rec what came of the kernel's own copy.
func beside(rec results.Record, status results.Status, stage results.Stage, code results.Code, reason string, specs ...results.Spec) results.Record {
	theirs := results.Record{Target: rec.Target, Suite: rec.Suite, Status: status, Stage: stage, Code: code, Reason: reason, Specs: specs, Attempts: 1,
		Artifacts: results.Artifacts{Console: "cells/" + rec.Target.Release + "/" + rec.Suite + "/in-tree/console.log"}}
	rec.InTreeRun = &results.InTreeRun{Modules: []string{"mydriver"}, Record: theirs}
	return rec
}

// compared is a run in which the kernel's own copy came to everything that it can, beside a module that came to something else.
func compared() *results.Results {
	refused := func(rec results.Record) results.Record {
		return decided(rec, results.Fail, results.StageBuild, results.CodeBuildError, "io.c:812: too few arguments to function 'submit_it'")
	}
	bad := results.Spec{Name: "drains", Status: results.Fail, Message: "Expected 1 to equal 2", Location: "drain_test.go:31"}
	none := cell("6.18.1-amd64", "lifecycle", specs(14)...)
	none.Notes = []string{"in tree: this kernel has no mydriver of its own to compare with"}
	r := &results.Results{Module: results.Module{Name: "mydriver", Version: "2.2"}, Records: []results.Record{
		beside(cell("5.10.0-46-amd64", "lifecycle", specs(14)...), results.Pass, "", "", "", specs(14)...),
		beside(cell("6.1.0-56-amd64", "lifecycle", specs(14)...), results.Fail, results.StageLoad, results.CodeLoadRefused, "mydriver refused: EINVAL (invalid argument)"),
		beside(cell("6.12.107+deb13-amd64", "lifecycle", specs(14)...), results.Fail, results.StageTest, results.CodeSpecFailed, `"drains": Expected 1 to equal 2`, append(specs(13), bad)...),
		none,
		beside(cell("6.19.2-amd64", "lifecycle", specs(14)...), results.Error, results.StageTest, results.CodeInfra, "QEMU ended: signal: killed"),
		beside(refused(cell("7.2.12+deb13-amd64", "lifecycle")), results.Pass, "", "", "", specs(14)...),
		beside(refused(cell("7.3.4+deb13-amd64", "lifecycle")), results.Fail, results.StageLoad, results.CodeLoadRefused, "mydriver refused: EINVAL (invalid argument)"),
	}}
	r.Finish()
	return r
}

func TestInTreeRunsAreShownBeside(t *testing.T) {
	golden(t, "in-tree.txt", []byte(text(t, compared(), Options{Dir: "out"})))
	var md strings.Builder
	if err := Markdown(&md, compared()); err != nil {
		t.Fatal(err)
	}
	golden(t, "in-tree.md", []byte(md.String()))
}

// Nothing that is counted counts the kernel's own copy, whatever came of it.
func TestInTreeRunsAreNotCounted(t *testing.T) {
	for _, ours := range results.Statuses {
		for _, theirs := range results.Statuses {
			plain := &results.Results{Records: []results.Record{decided(cell("6.1.0-amd64", "a"), ours, results.StageTest, results.CodeInfra, "x"), cell("6.2.0-amd64", "a")}}
			plain.Finish()
			both := &results.Results{Records: []results.Record{beside(plain.Records[0], theirs, results.StageTest, results.CodeInfra, "y"), beside(plain.Records[1], results.Fail, results.StageLoad, results.CodeOops, "z")}}
			both.Finish()
			if both.ExitCode() != plain.ExitCode() || both.Summary[results.Fail] != plain.Summary[results.Fail] || both.Summary[results.Pass] != plain.Summary[results.Pass] || len(both.Records) != 2 {
				t.Errorf("%s beside %s: exit code %d, %v; alone %d, %v", ours, theirs, both.ExitCode(), both.Summary, plain.ExitCode(), plain.Summary)
			}
			if a, b := totals(both.Matrix(), 0), totals(plain.Matrix(), 0); a != b {
				t.Errorf("%s beside %s: %q, alone %q", ours, theirs, a, b)
			}
			if a, b := len(firstBads(both.Matrix())), len(firstBads(plain.Matrix())); a != b {
				t.Errorf("%s beside %s: %d first bad kernels, alone %d", ours, theirs, a, b)
			}
		}
	}
}

func TestInTreeRunsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), results.FileName)
	folder, err := results.OpenFolder(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := compared().Write(folder); err != nil {
		t.Fatal(err)
	}
	again, err := results.Read(path)
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
