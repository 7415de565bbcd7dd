package results

import (
	"strings"
	"testing"
)

func TestInTreeRunsOfStrangers(t *testing.T) {
	for name, spoil := range map[string]func(*InTreeRun){
		"a copy of a copy":         func(run *InTreeRun) { run.Record.InTreeRun = &InTreeRun{} },
		"lies outside":             func(run *InTreeRun) { run.Record.Artifacts.Console = "../../etc/passwd" },
		"unknown status \"MAYBE\"": func(run *InTreeRun) { run.Record.Status = "MAYBE" },
	} {
		rec := cell("6.1.0-amd64", "lifecycle")
		rec.InTreeRun = &InTreeRun{Modules: []string{"mydriver"}, Record: rec}
		spoil(rec.InTreeRun)
		r := &Results{Schema: Schema, Records: []Record{rec}}
		r.Finish()
		if err := r.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
