package judge

import (
	"testing"

	"github.com/modmatrix/modmatrix/results/wire"
)

func TestRounds(t *testing.T) {
	stage := func(suite, name string, done bool) wire.Frame {
		return wire.Frame{Kind: wire.KindStage, Suite: suite, Stage: name, Done: done}
	}
	frames := []wire.Frame{
		{Kind: wire.KindHello, Release: "6.1"},
		{Kind: wire.KindPlan, Suite: "a", Text: "A", Specs: []wire.Spec{{Name: "one"}}},
		{Kind: wire.KindPlan, Suite: "b", Text: "B", Specs: []wire.Spec{{Name: "two"}}},
		stage("a", wire.StageLoad, false), stage("a", wire.StageLoad, true),
		{Kind: wire.KindSpecEnd, Suite: "a", Spec: &wire.Spec{Name: "one", State: "passed"}},
		stage("a", wire.StageUnload, false), stage("a", wire.StageUnload, true),
		stage("b", wire.StageLoad, false),
	}
	r := NewRounds("nonce", "a", "b", "c")
	for i, f := range frames {
		f.Nonce, f.Seq = "nonce", uint64(i+1)
		if !r.Add(f) {
			t.Fatalf("frame %d is foreign", i)
		}
	}
	a, b, c := r.guests[0], r.guests[1], r.guests[2]
	switch {
	case !a.Hello || !b.Hello || !c.Hello:
		t.Error("the hello is of all rounds")
	case a.Title != "A" || len(a.Specs) != 1 || len(b.Specs) != 0 || b.Planned[0].Name != "two":
		t.Error("a round has what is of another")
	case !r.Through(0) || r.Through(1) || r.Through(2):
		t.Error("only the first round is through")
	case !r.Begun(1) || r.Begun(2) || r.Current() != b:
		t.Error("the second round is under way, the third never began")
	case a.Lost || b.Lost || c.Lost:
		t.Error("nothing was lost")
	}
	r.Add(wire.Frame{Kind: wire.KindHeartbeat, Nonce: "nonce", Seq: 99})
	if !a.Lost || !b.Lost || !c.Lost {
		t.Error("what was lost may be of any round")
	}
	if b.Broken != "" {
		t.Error("a plan before the first module is as it should be")
	}
	r.Add(wire.Frame{Kind: wire.KindPlan, Suite: "c", Nonce: "nonce", Seq: 100})
	if c.Broken == "" || a.Broken != "" {
		t.Error("a module of an earlier round can plan what it likes for a later one")
	}
	if r.Add(wire.Frame{Kind: wire.KindEnd, Nonce: "other", Seq: 100}) || a.End || a.Foreign != 1 {
		t.Error("a foreign frame counts for nothing")
	}
}
