package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

// rounds are what a watch shows from its first round, over an error, to the same mended.
func rounds() []struct {
	name  string
	event results.Event
} {
	at := dawn
	record := func(target string, status results.Status, reason string) results.Event {
		rec := &results.Record{Status: status, Specs: []results.Spec{{Name: "a", Status: status}}}
		if status != results.Pass {
			rec.Stage, rec.Code, rec.Reason, rec.Specs = results.StageBuild, results.CodeBuildError, reason, nil
		}
		return results.Event{Kind: results.EventRecord, Target: target, Suite: "lifecycle", Record: rec}
	}
	round := func(n int, state results.State, text string, status, was results.Status, changed ...string) results.Event {
		return results.Event{Kind: results.EventRound, State: state, Text: text, Round: &results.Round{Number: n, Status: status, Was: was, Changed: changed}}
	}
	plan := results.Event{Kind: results.EventPlan, Text: "mydriver"}
	for _, target := range targets[:3] {
		plan.Cells = append(plan.Cells, results.Cell{Target: target, Suite: "lifecycle"})
	}
	type step = struct {
		name  string
		event results.Event
	}
	narrowed := round(4, results.StateDone, "", results.Pass, results.Fail)
	narrowed.Round.Only = "6.1.0\x1b"
	steps := []step{
		{"", round(1, results.StateStart, "", "", "")}, {"planning", plan},
		{"", record(targets[0], results.Pass, "")}, {"", record(targets[1], results.Pass, "")}, {"", record(targets[2], results.Pass, "")},
		{"passed", round(1, results.StateDone, "", results.Pass, "")},
		{"begun", round(2, results.StateStart, "", "", results.Pass, "fifo.c\x1b[2J")}, {"", plan},
		{"error", record(targets[2], results.Fail, "fifo.c:60:24: error: 'undeclared_thing' undeclared (first use in this function)")},
		{"", record(targets[1], results.Fail, "fifo.c:99: another")}, {"", record(targets[0], results.Pass, "")},
		{"failed", round(2, results.StateDone, "", results.Fail, results.Pass)},
		{"", round(3, results.StateStart, "", "", results.Fail, "fifo.c")}, {"before", plan},
		{"dropped", round(3, results.StateFailed, "changed", "", results.Fail)},
		{"mistake", round(3, results.StateFailed, "modmatrix.toml:2: unknown key suits: did you mean suites?", "", results.Fail)},
		{"", round(4, results.StateStart, "", "", results.Fail, "modmatrix.toml")}, {"", plan},
		{"", record(targets[0], results.Pass, "")}, {"", record(targets[1], results.Pass, "")}, {"", record(targets[2], results.Pass, "")},
		{"narrowed", narrowed},
		{"mended", round(4, results.StateDone, "", results.Pass, results.Fail)},
	}
	for i := range steps {
		at = at.Add(time.Second)
		steps[i].event.Time = at
	}
	return steps
}

func TestWatchStaysInPlace(t *testing.T) {
	for _, size := range [][2]int{{110, 24}, {60, 12}} {
		w := NewWatch(dawn)
		var got strings.Builder
		for _, s := range rounds() {
			w.Add(s.event)
			f := Frame{Width: size[0], Height: size[1], Now: s.event.Time}
			view := w.View(f)
			if s.name != "" {
				fmt.Fprintf(&got, "== %s\n%s", s.name, view)
			}
			f.Color = true
			if coloured := w.View(f); ansi.Strip(coloured) != view {
				t.Errorf("%s: colours change more than colours:\n%q", s.name, coloured)
			}
			for line := range strings.Lines(view) {
				if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > size[0] {
					t.Errorf("%s: a line of %d columns: %s", s.name, n, line)
				}
			}
			if n := strings.Count(view, "\n"); n >= size[1] {
				t.Errorf("%s: %d lines on a terminal of %d", s.name, n, size[1])
			}
		}
		w.Type(true, "drains\x1b")
		fmt.Fprintf(&got, "== typing\n%s", w.View(Frame{Width: size[0], Height: size[1], Now: dawn}))
		path := filepath.Join("testdata", "board", fmt.Sprintf("watch-%dx%d.txt", size[0], size[1]))
		if *update {
			if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(path); err != nil || got.String() != string(want) {
			t.Errorf("%s differs (go test -update writes it anew): %v\n%s", path, err, got.String())
		}
	}
}

// A round is a line where there is no terminal.
func TestRoundsAreLines(t *testing.T) {
	var p Progress
	var got []string
	for _, s := range rounds() {
		if s.event.Kind == results.EventRound {
			got = append(got, p.Add(s.event, dawn))
		}
	}
	want := []string{"round 1", "round 1  PASS", `round 2  fifo.c\x1b[2J`, "round 2  FAIL  (was PASS)", "round 3  fifo.c", "round 3  ended: changed",
		"round 3  ended: modmatrix.toml:2: unknown key suits: did you mean suites?", "round 4  modmatrix.toml", "round 4  PASS  (was FAIL)", "round 4  PASS  (was FAIL)"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
