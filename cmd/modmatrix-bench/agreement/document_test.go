package agreement

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// TestDocument writes a document twice, from a run and a comparison.
func TestDocument(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, v any) string {
		text, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	record := func(release string, status results.Status, stage results.Stage, code results.Code, reason string) results.Record {
		return results.Record{Target: results.Target{Release: release}, Suite: "lifecycle", Status: status, Stage: stage, Code: code, Reason: reason}
	}
	good := record("6.12.117+deb13-amd64", results.Pass, "", "", "")
	good.Specs = []results.Spec{{Name: "a", Status: results.Pass}, {Name: "b", Status: results.Skip}}
	run := save("results.json", results.Results{Schema: results.Schema, Module: results.Module{Name: "foo", Version: "1"}, Summary: map[results.Status]int{results.Pass: 1, results.Fail: 2, results.Skip: 1, results.Error: 0, results.Miss: 0}, Records: []results.Record{
		good,
		record("6.1.0-56-amd64", results.Fail, results.StageLoad, results.CodeLoadRefused, "foo refused: ENODEV | no *such* device"),
		record("5.10.0-46-amd64", results.Fail, results.StageLoad, results.CodeLoadRefused, "foo refused: ENODEV | no *such* device"),
		record("7.3.4+deb13-amd64", results.Skip, results.StageBuild, results.CodeExcluded, "MAX is 7"),
	}})
	before := save("before.json", results.Results{Schema: results.Schema, Module: results.Module{Name: "foo", Version: "1"}, Summary: map[results.Status]int{results.Pass: 0, results.Fail: 1, results.Skip: 0, results.Error: 0, results.Miss: 0},
		Records: []results.Record{record("6.12.117+deb13-amd64", results.Fail, results.StageLoad, results.CodeOops, "as it was once")}})
	old := sample()
	old.Cells = old.Cells[2:3]
	old.Cells[0].Modmatrix.Verdict = skip
	compared := save("old.json", old)
	again := save("new.json", sample())
	doc := filepath.Join(dir, "M.md")
	const mark = "<!-- %: made by modmatrix-bench document -->\nold\n<!-- end of % -->\n"
	if err := os.WriteFile(doc, []byte("# head\n"+strings.ReplaceAll(mark, "%", "compared")+"words\n"+strings.ReplaceAll(mark, "%", "runs")+strings.ReplaceAll(mark, "%", "architectures")+"foot\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := sample()
	foreign.Cells = []Cell{{Package: "a 1", Kernel: "6.1.0-50-s390x", DKMS: Side{Verdict: fail, Reason: "exit code 10"}, Modmatrix: Side{Verdict: fail, Reason: "a.c:1: no inb_p"}}}
	d := document{into: doc, reports: []string{compared, again}, archs: []string{save("foreign.json", foreign)}}
	var first string
	for range 2 {
		if err := d.write(nil, []string{before, run}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(doc)
		if err != nil || first != "" && first != string(text) {
			t.Fatalf("%v: it is another one the second time:\n%s", err, text)
		}
		first = string(text)
	}
	for _, want := range []string{"# head\n", "\nwords\n", "foot\n", "4 cells of 1 packages: 1 PASS, 2 FAIL, 1 SKIP.\n",
		"| package | 5.10.0-46-amd64 | 6.1.0-56-amd64 | 6.12.117+deb13-amd64 | 7.3.4+deb13-amd64 |\n",
		"| foo 1 | FAIL@load [1] | FAIL@load [1] | 1/2 | skip [2] |\n", "\n1. load-refused: foo refused: ENODEV \\| no \\*such\\* device\n2. MAX is 7\n",
		"| package | 6.1.0-50-s390x |\n|---|---|\n| a 1 | fail [1] |\n\n1. a.c:1: no inb\\_p\n", "5 cells compared: 2 the same", "| b 2 | **ok/fail** [2] | – |\n", "\n1. the root\n2. not explained\n"} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is missing from\n%s", want, first)
		}
	}
	if strings.Contains(first, "old") || strings.Contains(first, "as it was once") {
		t.Errorf("the old table stays:\n%s", first)
	}
	if err := (&document{into: doc, archs: d.archs}).write(nil, nil); err != nil {
		t.Error(err)
	}
	if again, err := os.ReadFile(doc); err != nil || string(again) != first {
		t.Errorf("one table alone, and the others are not as before: %v\n%s", err, again)
	}
	for _, bad := range []document{{into: run}, {into: filepath.Join(dir, "gone")}, {reports: []string{run}}} {
		if err := bad.write(nil, []string{before, run}); err == nil {
			t.Errorf("%+v is no error", bad)
		}
	}
}
