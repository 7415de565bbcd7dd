package report

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// checkedResults are a run of a suite and of the static checks, whose findings hold what a format could trip over.
func checkedResults() *results.Results {
	target := func(release string) results.Target {
		return results.Target{Release: release, Version: release, Arch: "x86_64", Source: "debian:x"}
	}
	specs := func(fresh bool) []results.Spec {
		return []results.Spec{
			{Name: "checkpatch", Status: results.Fail, Message: "1 error, 1 warning", Location: "fifo.c:8", Tool: "checkpatch.pl of 6.1.1-1", Findings: []results.Finding{
				{Where: "fifo.c:8", Level: results.LevelError, Kind: "SPACING", Message: "space | `x` <b> ::error::"},
				{Where: "fifo.c:9", Level: results.LevelWarning, Kind: "LONG", Message: "long", New: fresh},
				{Where: "fifo.c:10", Level: results.LevelNote, Kind: "CAMELCASE", Message: "only counted"}}},
			{Name: "sparse", Status: results.Pass, Tool: "sparse 0.6.4"},
			{Name: "smatch", Status: results.Miss, Message: "bookworm has no smatch"},
		}
	}
	r := &results.Results{Module: results.Module{Name: "fifo"}}
	for i, release := range []string{"6.1.1", "7.3.4"} {
		r.Records = append(r.Records,
			results.Record{Target: target(release), Suite: "lifecycle", Status: results.Pass, Timings: results.Timings{Build: 1000, Test: 5}, Specs: []results.Spec{{Name: "loads", Status: results.Pass}}},
			results.Record{Target: target(release), Suite: results.Checks, Status: results.Fail, Stage: results.StageCheck, Code: results.CodeCheckFailed,
				Reason: "checkpatch: 1 error, 1 warning (fifo.c:8)", Specs: specs(i == 1)})
	}
	r.Finish()
	return r
}

func TestChecksAreInEveryFormat(t *testing.T) {
	r := checkedResults()
	for name, tc := range map[string]struct {
		write func(io.Writer) error
		want  []string
		not   []string
	}{
		"text": {func(w io.Writer) error { return Text(w, r, Options{Height: 50}) },
			[]string{"1/3  1 failed", "FAIL  1 error, 1 warning (1 new)  7.3.4", "2 kernels pass; the static checks fail on 2", "MISS  bookworm has no smatch      every kernel", "new  fifo.c:9: warning: long [checkpatch LONG]", "fifo.c:8: error: space", "again    modmatrix check -k"},
			[]string{"only counted", "first bad"}},
		"md":    {func(w io.Writer) error { return Markdown(w, r) }, []string{"| `sparse` | ok |", "**new** `fifo.c:9"}, []string{"only counted"}},
		"junit": {func(w io.Writer) error { return JUnit(w, r) }, []string{`name="checkpatch"`, `name="smatch"`, "bookworm has no smatch"}, nil},
		"ktap":  {func(w io.Writer) error { return KTAP(w, r) }, []string{"not ok 2 checkpatch", "ok 3 sparse", "# ERROR bookworm has no smatch"}, nil},
		"html": {func(w io.Writer) error { return HTML(w, r, nil) }, []string{"Static checks", "<b>new</b> <code>fifo.c:9", "checkpatch.pl of 6.1.1-1"},
			[]string{"<b> ::error"}},
		"github": {func(w io.Writer) error { return GitHub(w, io.Discard, r) }, []string{"::error file=fifo.c,line=8,title=checkpatch::space", "::warning file=fifo.c,line=9"}, nil},
		"kcidb":  {func(w io.Writer) error { return KCIDB(w, r) }, []string{`"path":"kmod.fifo.checks.checkpatch"`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := tc.write(&out); err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in\n%s", want, out.String())
				}
			}
			for _, not := range tc.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("there is %q in\n%s", not, out.String())
				}
			}
		})
	}
}

// A cover letter says what was checked, and does not call a kernel bad for it.
func TestALetterSaysWhatWasChecked(t *testing.T) {
	r := checkedResults()
	var out bytes.Buffer
	if err := Mail(&out, &results.Collection{Module: r.Module, Own: r}, Whole{}); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"Checks: checkpatch fail; sparse pass; smatch not run everywhere", "It works on all of them", "neither built in (=y), nor with allmodconfig or W=1."} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestFindingsAreIssuesAtTheirLines(t *testing.T) {
	var out bytes.Buffer
	if err := GitLab(&out, checkedResults()); err != nil {
		t.Fatal(err)
	}
	var issues []codeQuality
	if err := json.Unmarshal(out.Bytes(), &issues); err != nil {
		t.Fatal(err)
	}
	at := map[int]string{}
	for _, i := range issues {
		if strings.HasPrefix(i.CheckName, "modmatrix/checkpatch/") {
			at[i.Location.Lines.Begin] = i.Severity + " " + i.Location.Path
		}
	}
	if len(at) != 2 || at[8] != "major fifo.c" || at[9] != "minor fifo.c" {
		t.Errorf("%v in %s", at, out.String())
	}
}
