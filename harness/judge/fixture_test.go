package judge

import (
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/console"
)

const release = "6.12.1-test"

// goodGuest is a guest of which everything can be said that a PASS needs: two specs, planned and passed.
func goodGuest() *Guest { return guestOf(goodFrames()) }

func guestOf(frames []wire.Frame) *Guest {
	g := NewGuest("nonce")
	for _, f := range frames {
		g.Add(f)
	}
	return g
}

func goodFrames() (frames []wire.Frame) {
	add := func(f wire.Frame) {
		f.Nonce, f.Seq, f.At = "nonce", uint64(len(frames)+1), int64(len(frames)+1)*10
		frames = append(frames, f)
	}
	stage := func(s results.Stage, inside ...wire.Frame) {
		add(wire.Frame{Kind: wire.KindStage, Stage: string(s)})
		for _, f := range inside {
			add(f)
		}
		add(wire.Frame{Kind: wire.KindStage, Stage: string(s), Done: true})
		add(wire.Frame{Kind: wire.KindTaint, Stage: string(s), Taint: 1 << 12})
	}
	add(wire.Frame{Kind: wire.KindHello, Release: release})
	add(wire.Frame{Kind: wire.KindTaint, Stage: string(results.StageBoot)})
	one, two := wire.Spec{Name: "one"}, wire.Spec{Name: "two"}
	add(wire.Frame{Kind: wire.KindPlan, Specs: []wire.Spec{one, two}})
	stage(results.StageLoad, wire.Frame{Kind: wire.KindLoad, Module: "fifo"})
	stage(results.StageTest,
		wire.Frame{Kind: wire.KindSpecStart, Spec: &one},
		wire.Frame{Kind: wire.KindSpecEnd, Spec: &wire.Spec{Name: "one", State: "passed"}},
		wire.Frame{Kind: wire.KindSpecStart, Spec: &two},
		wire.Frame{Kind: wire.KindSpecEnd, Spec: &wire.Spec{Name: "two", State: "passed"}},
		wire.Frame{Kind: wire.KindSuiteEnd})
	stage(results.StageUnload, wire.Frame{Kind: wire.KindUnload, Module: "fifo"})
	add(wire.Frame{Kind: wire.KindStage, Stage: string(results.StageShutdown)})
	add(wire.Frame{Kind: wire.KindEnd})
	return frames
}

func good() Evidence {
	return Evidence{Built: true, Modules: 1, Want: release, Guest: goodGuest(), End: Ending{Reason: CleanEnd}}
}

// stopped is a guest that fell silent in stage, with two of three specs not through when that is the test.
func stopped(in results.Stage, running string) *Guest {
	g := goodGuest()
	g.End, g.Exit, g.Unloads = false, nil, nil
	g.Stage, g.Running = in, running
	delete(g.Ended, in)
	if in == results.StageTest {
		g.Planned = append(g.Planned, wire.Spec{Name: "three"})
		g.Specs = g.Specs[:1]
	} else if in != results.StageUnload {
		g.Planned, g.Specs = nil, nil
	}
	return g
}

func splatIn(stage results.Stage, spec string, code results.Code) Splat {
	return Splat{Splat: console.Splat{Kind: "oops", Code: code, Severity: console.Fail, Title: "BUG: it broke in fifo_read"}, Stage: stage, Spec: spec}
}

func outOfMemoryIn(stage results.Stage, title string) Splat {
	return Splat{Splat: console.Splat{Kind: console.KindOOM, Code: results.CodeInfra, Severity: console.Infra, Title: title}, Stage: stage}
}
