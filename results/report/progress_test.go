package report

import (
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// What takes long gets a line every ten seconds, with how far it is, and no longer once it has ended.
func TestLongStagesGetALine(t *testing.T) {
	var lines Progress
	start := time.Now()
	said := func(after time.Duration, events ...results.Event) string {
		t.Helper()
		for _, e := range events {
			lines.Add(e, start.Add(after))
		}
		return strings.Join(strings.Fields(strings.Join(lines.Long(start.Add(after)), " ")), " ")
	}
	stage := func(s results.Stage, state results.State) results.Event {
		e := results.Event{Kind: results.EventStage, Target: "6.1", Stage: s, State: state}
		if s != results.StageFetch {
			e.Suite = "fifo"
		}
		return e
	}
	progress := stage(results.StageFetch, results.StateProgress)
	progress.Text, progress.Done, progress.Total, progress.Unit = "linux-image", 34e6, 80e6, "bytes"
	compile := progress
	compile.Target, compile.Text, compile.Done, compile.Total, compile.Unit = "6.12", "compile linux", 805, 1200, "objects"
	began := compile
	began.State = results.StateStart
	spec := stage(results.StageTest, results.StateStart)
	spec.Kind, spec.Text, spec.Done, spec.Total = results.EventSpec, "is \x1b loaded", 2, 14
	for _, c := range []struct {
		after  time.Duration
		events []results.Event
		want   string
	}{
		{0, []results.Event{stage(results.StageFetch, results.StateStart), stage(results.StageTest, results.StateStart)}, ""},
		{9 * time.Second, nil, ""},
		{12 * time.Second, []results.Event{progress}, "6.1 fetch … 12 s linux-image 34 MB of 80 MB 6.1 fifo test … 12 s"},
		{13 * time.Second, nil, ""},
		{25 * time.Second, []results.Event{stage(results.StageFetch, results.StateDone), spec}, `6.1 fifo test … 25 s spec 3/14 "is \x1b loaded"`},
		{30 * time.Second, []results.Event{began}, ""},
		{45 * time.Second, []results.Event{compile, {Kind: results.EventRecord, Target: "6.1", Suite: "fifo"}}, "6.12 fetch … 15 s compile linux 805 of 1200 objects"},
		{46 * time.Second, []results.Event{{Kind: results.EventStage, Target: "6.12", Stage: results.StageFetch, State: results.StateDone}}, ""},
		{60 * time.Second, []results.Event{{Kind: results.EventRecord, Target: "6.1", Suite: "fifo"}}, ""},
	} {
		if got := said(c.after, c.events...); got != c.want {
			t.Errorf("after %v: %q, want %q", c.after, got, c.want)
		}
	}
}

// What is fetched is shown by what is counted, on a terminal as well.
func TestTheBoardShowsWhatIsFetched(t *testing.T) {
	for unit, want := range map[string]string{"bytes": "34 MB of 80 MB linux", "objects": "34000000 of 80000000 objects linux", "": "42% linux"} {
		b := NewBoard(dawn)
		b.Add(results.Event{Kind: results.EventPlan, Cells: []results.Cell{{Target: "6.1", Suite: "fifo"}}})
		b.Add(results.Event{Kind: results.EventStage, Target: "6.1", Stage: results.StageFetch, State: results.StateProgress, Text: "linux", Done: 34e6, Total: 80e6, Unit: unit})
		if got := b.View(Frame{Width: 120, Height: 20, Now: time.Now()}); !strings.Contains(got, want) {
			t.Errorf("%q: no %q in\n%s", unit, want, got)
		}
	}
}

// How long a run still takes is no figure of tenths.
func TestWhatIsLeftIsARoughGuess(t *testing.T) {
	b := NewBoard(dawn)
	b.Add(results.Event{Kind: results.EventPlan, Text: "m", Cells: []results.Cell{{Target: "6.1", Suite: "fifo"}}, Left: 6 * time.Second, Time: dawn})
	if view := b.View(Frame{Width: 80, Height: 24, Now: dawn}); !strings.Contains(view, "0/1 cells · about 0:06 left") {
		t.Error(view)
	}
}
