package report

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/charmbracelet/x/ansi"

	"github.com/modmatrix/modmatrix/results"
)

var (
	dawn    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	targets = []string{"5.10.0-46-amd64", "6.1.0-56-amd64", "6.12.107+deb13-amd64", "7.2.12+deb13-amd64", "7.3.4+deb13-amd64", "debian:sid"}
)

// midway is a board with a row in every phase of its life, half a minute into the run.
func midway() *Board {
	b := NewBoard(dawn.Add(time.Second))
	at := dawn
	send := func(e results.Event) {
		at = at.Add(time.Second)
		e.Time = at
		b.Add(e)
	}
	stage := func(target, suite string, stage results.Stage, state results.State) results.Event {
		return results.Event{Kind: results.EventStage, Target: target, Suite: suite, Stage: stage, State: state, Elapsed: 2300 * time.Millisecond}
	}
	var cells []results.Cell
	for _, t := range targets {
		cells = append(cells, results.Cell{Target: t, Suite: "lifecycle"}, results.Cell{Target: t, Suite: "mysuite"})
	}
	send(results.Event{Kind: results.EventPlan, Text: "mydriver", Cells: cells})
	for _, t := range targets[:4] {
		send(stage(t, "", results.StageFetch, results.StateDone))
	}
	send(stage(targets[0], "", results.StageBuild, results.StateCached))
	send(stage(targets[1], "", results.StageBuild, results.StateDone))
	failed := stage(targets[2], "", results.StageBuild, results.StateFailed)
	failed.Text = "io.c:812: too few arguments to function 'submit_it'"
	send(failed)
	send(stage(targets[3], "", results.StageBuild, results.StateStart))
	progress := stage(targets[4], "", results.StageFetch, results.StateProgress)
	progress.Text, progress.Done, progress.Total = "linux-image-7.3.4+deb13-amd64", 43, 100
	send(progress)
	passed := []results.Spec{{Name: "a", Status: results.Pass}, {Name: "b", Status: results.Pass}}
	for _, s := range []string{"lifecycle", "mysuite"} {
		send(results.Event{Kind: results.EventRecord, Target: targets[0], Suite: s, Record: &results.Record{Status: results.Pass, Specs: passed}})
		send(results.Event{Kind: results.EventRecord, Target: targets[2], Suite: s,
			Record: &results.Record{Status: results.Fail, Stage: results.StageBuild, Code: results.CodeBuildError, Reason: failed.Text}})
	}
	send(results.Event{Kind: results.EventRecord, Target: targets[1], Suite: "lifecycle", Record: &results.Record{Status: results.Pass, Specs: passed}})
	send(stage(targets[1], "mysuite", results.StageBoot, results.StateStart))
	send(stage(targets[1], "mysuite", results.StageTest, results.StateStart))
	send(results.Event{Kind: results.EventSpec, Target: targets[1], Suite: "mysuite", Stage: results.StageTest, State: results.StateStart,
		Text: "drains the log\x1b[2J before the machine is suspended and nothing can be written any more", Done: 6, Total: 14})
	return b
}

// A kernel on which everything was skipped does not look as if it had passed.
func TestASkippedRowIsNoSuccess(t *testing.T) {
	b := NewBoard(dawn.Add(time.Second))
	cell := results.Cell{Target: "6.1", Suite: "lifecycle"}
	b.Add(results.Event{Kind: results.EventPlan, Text: "m", Cells: []results.Cell{cell}})
	b.Add(results.Event{Kind: results.EventRecord, Target: cell.Target, Suite: cell.Suite, Record: &results.Record{Status: results.Skip, Reason: "not for it"}})
	view := b.View(Frame{Width: 80, Height: 24, Now: dawn})
	if !strings.Contains(view, "– 6.1") || strings.Contains(view, "✓") || !strings.Contains(view, "1 skip") {
		t.Error(view)
	}
}

// A shell has no suite, and while its guest boots, there is something to be seen all the same.
func TestTheBoardShowsHowFarAShellIs(t *testing.T) {
	b := NewBoard(dawn.Add(time.Second))
	b.Add(results.Event{Kind: results.EventPlan, Text: "m", Cells: []results.Cell{{Target: "6.1"}}})
	words := []string{"building", "booting", "loading"}
	for i, stage := range []results.Stage{results.StageBuild, results.StageBoot, results.StageLoad} {
		want := words[i]
		b.Add(results.Event{Kind: results.EventStage, Target: "6.1", Stage: stage, State: results.StateStart})
		if view := b.View(Frame{Width: 80, Height: 24, Now: dawn}); !strings.Contains(view, want) {
			t.Errorf("no %s in\n%s", want, view)
		}
		b.Add(results.Event{Kind: results.EventStage, Target: "6.1", Stage: stage, State: results.StateDone})
	}
}

// A run of many cells is as long as it is large: a board has its score of each, and not its record.
func TestBoardLetsRecordsGo(t *testing.T) {
	b := NewBoard(dawn.Add(time.Second))
	b.Add(results.Event{Kind: results.EventPlan, Text: "mydriver", Cells: []results.Cell{{Target: targets[0], Suite: "lifecycle"}}})
	rec := &results.Record{Status: results.Fail, Stage: results.StageTest, Code: results.CodeSpecFailed, Reason: "a is not b",
		Specs: []results.Spec{{Name: "a", Status: results.Pass}, {Name: "b", Status: results.Fail}}}
	held := weak.Make(rec)
	b.Add(results.Event{Kind: results.EventRecord, Target: targets[0], Suite: "lifecycle", Record: rec})
	rec = nil
	runtime.GC()
	if held.Value() != nil {
		t.Error("the record is still held")
	}
	if view := b.View(Frame{Width: 120, Now: dawn}); !strings.Contains(view, "1/2") || !strings.Contains(view, "a is not b") {
		t.Errorf("it shows\n%s", view)
	}
}

func TestBoardFitsEveryTerminal(t *testing.T) {
	b := midway()
	for _, size := range [][2]int{{120, 40}, {80, 24}, {60, 24}, {40, 24}, {20, 10}, {80, 11}} {
		name := fmt.Sprintf("%dx%d.txt", size[0], size[1])
		f := Frame{Width: size[0], Height: size[1], Now: dawn.Add(30 * time.Second)}
		got := b.View(f)
		path := filepath.Join("testdata", "board", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
		}
		f.Color = true
		coloured := b.View(f)
		if ansi.Strip(coloured) != got {
			t.Errorf("%s: colours change more than colours:\n%q", name, coloured)
		}
		for line := range strings.Lines(got) {
			if w := ansi.StringWidth(strings.TrimSuffix(line, "\n")); w > size[0] {
				t.Errorf("%s: a line of %d columns: %s", name, w, line)
			}
		}
		if n := strings.Count(got, "\n"); n >= size[1] {
			t.Errorf("%s: %d lines", name, n)
		}
	}
}

func TestBoardSurvivesEventsThatNobodyPlanned(t *testing.T) {
	b := NewBoard(dawn.Add(time.Second))
	for _, e := range []results.Event{
		{Kind: results.EventRecord, Target: "6.1.0", Suite: "unknown"},
		{Kind: results.EventRecord, Target: "6.1.0", Suite: "unknown", Record: &results.Record{Status: results.Fail}},
		{Kind: results.EventSpec, Target: "6.1.0", Suite: "unknown", Done: 3},
		{Kind: results.EventStage, Target: "6.1.0", Stage: results.StageFetch, State: results.StateProgress, Done: -1, Total: 3},
		{Kind: "surprise"},
		{Kind: results.EventFinished},
	} {
		b.Add(e)
		b.View(Frame{Width: 80, Height: 24, Now: dawn})
		b.View(Frame{})
	}
}
