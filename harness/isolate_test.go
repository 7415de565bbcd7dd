package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

func TestUnits(t *testing.T) {
	specs := []wire.Spec{
		{Name: "skipped first", State: "skipped"}, {Name: "a"}, {Name: "o one", Group: "o"}, {Name: "b"}, {Name: "o two", Group: "o"},
		{Name: "p one", Group: "p"}, {Name: "pending", State: "pending"}, {Name: "a"},
	}
	got := units(specs)
	want := [][]string{{"skipped first", "pending"}, {"a"}, {"o one", "o two"}, {"b"}, {"p one"}}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Where each spec has a guest, an event names it, and counts the specs of all.
func TestEventsTellTheGuestsOfACellApart(t *testing.T) {
	var events []results.Event
	h := &Harness{notify: func(e results.Event) { events = append(events, e) }}
	all := &tally{planned: make([]wire.Spec, 2)}
	for _, name := range []string{"a", "b"} {
		c := cell{run: &run{h: h}, tree: &kernels.Tree{Target: kernels.Target{Release: "6.1"}}, suite: "fifo"}
		guest := session{&c, task{part: &part{only: []string{name}, tally: all}}}
		guest.stage(guest.progress(results.StageBoot), results.StateStart, "", 0)
		g := judge.NewGuest("")
		spec := &wire.Spec{Name: name}
		guest.report(wire.Frame{Kind: wire.KindStage, Stage: "load"}, g)
		guest.report(wire.Frame{Kind: wire.KindSpecStart, Spec: spec}, g)
		guest.report(wire.Frame{Kind: wire.KindSpecEnd, Spec: spec}, g)
	}
	var got []string
	for _, e := range events {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %d/%d", e.Guest, e.Stage, e.State, e.Done, e.Total)))
	}
	want := []string{"a boot start 0/0", "a load start 0/0", "a test start 0/2", "a test done 1/2", "b boot start 0/0", "b load start 0/0", "b test start 1/2", "b test done 2/2"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestMerge(t *testing.T) {
	planned := []wire.Spec{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	unit := func(name string, status results.Status, log string, splats ...results.Splat) *part {
		rec := results.Record{Status: status, Specs: []results.Spec{{Name: name, Status: status}}, Splats: splats,
			Timings: results.Timings{Build: 7, Test: 5, Total: 10}, Notes: []string{"the same"}}
		if status == results.Fail {
			rec.Reason = "because of " + name
		}
		return &part{only: []string{name}, tally: &tally{planned: planned}, rec: rec, log: []byte(log), guest: judge.NewGuest(name)}
	}
	parts := []*part{unit("c", results.Pass, "one\ntwo\n"), unit("a", results.Skip, "three\n"),
		unit("b", results.Fail, "four\noops\n", results.Splat{Title: "oops", Line: 2})}
	got := merge(parts)
	if got.rec.Status != results.Fail || got.rec.Reason != "because of b" || got.guest.Nonce != "b" {
		t.Errorf("decided by %+v of %q", got.rec, got.guest.Nonce)
	}
	var names []string
	for _, s := range got.rec.Specs {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("specs in the order %q", names)
	}
	if len(got.rec.Splats) != 1 || got.rec.Splats[0].Line != 8 || lineOf(got.log, 8) != "oops" {
		t.Errorf("splats %+v in the log\n%s", got.rec.Splats, got.log)
	}
	if got.rec.Timings != (results.Timings{Build: 7, Test: 15, Total: 30}) || !slices.Equal(got.rec.Notes, []string{"the same"}) {
		t.Errorf("timings %+v, notes %q", got.rec.Timings, got.rec.Notes)
	}
}

// lineOf returns the nth line of log, from 1.
func lineOf(log []byte, n int) string {
	line := ""
	for range n {
		var rest []byte
		i := slices.Index(log, '\n')
		line, rest = string(log[:i]), log[i+1:]
		log = rest
	}
	return line
}
