package judge

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

func TestStaticChecksAreJudged(t *testing.T) {
	good := Check{Name: "sparse", Fails: results.LevelError}
	found := func(level results.Level) []results.Finding {
		return []results.Finding{{Where: "fifo.c:3", Level: level, Kind: "X", Message: "m"}}
	}
	with := func(change func(*Check)) []Check {
		c := Check{Name: "checkpatch", Fails: results.LevelError}
		change(&c)
		return []Check{good, c}
	}
	for _, tc := range []struct {
		name   string
		checks []Check
		want   string // status@stage code
		spec   results.Status
		reason string
	}{
		{"nothing was found", with(func(*Check) {}), "PASS@", results.Pass, ""},
		{"warnings are counted", with(func(c *Check) { c.Findings = found(results.LevelWarning) }), "PASS@", results.Pass, ""},
		{"an error", with(func(c *Check) { c.Findings = found(results.LevelError) }), "FAIL@check check-failed", results.Fail, "checkpatch: 1 error (fifo.c:3)"},
		{"warnings fail, where they are to", with(func(c *Check) { c.Findings, c.Fails = found(results.LevelWarning), results.LevelWarning }), "FAIL@check check-failed", results.Fail, "1 warning"},
		{"nothing fails, where nothing is to", with(func(c *Check) { c.Findings, c.Fails = found(results.LevelError), "" }), "PASS@", results.Pass, ""},
		{"a tool is missing", with(func(c *Check) { c.Missing = "none here" }), "PASS@", results.Miss, ""},
		{"a tool crashed", with(func(c *Check) { c.Broken = "it died" }), "ERROR@check infra", results.Error, "checkpatch: it died"},
		{"a tool crashed after an error", with(func(c *Check) { c.Broken, c.Findings = "it died", found(results.LevelError) }), "ERROR@check infra", results.Error, "it died"},
		{"the module does not build", with(func(c *Check) { c.Fault = "fifo.c:3: no" }), "FAIL@check check-failed", results.Fail, "does not build under it: fifo.c:3"},
		{"it does not build, and that is to fail nothing", with(func(c *Check) { c.Fault, c.Fails = "no", "" }), "PASS@", results.Miss, ""},
		{"every tool is missing", []Check{good, {Name: "checkpatch", Missing: "none here"}}, "PASS@", results.Miss, ""},
		{"no tool at all", []Check{{Name: "sparse", Missing: "none here"}, {Name: "checkpatch", Missing: "none here"}}, "MISS@check infra", results.Miss, "none here"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := Judge(Evidence{Checks: tc.checks, BuildOnly: true})
			if got := strings.TrimSpace(string(rec.Status) + "@" + string(rec.Stage) + " " + string(rec.Code)); got != tc.want {
				t.Errorf("%s (%s), want %s", got, rec.Reason, tc.want)
			}
			if !strings.Contains(rec.Reason, tc.reason) {
				t.Errorf("reason %q, want %q", rec.Reason, tc.reason)
			}
			if s := rec.Specs[1]; s.Status != tc.spec {
				t.Errorf("the check is %s, want %s", s.Status, tc.spec)
			}
		})
	}
}
