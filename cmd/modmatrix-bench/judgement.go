package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// The size of the synthetic matrix, and of what each of its guests tells.
const (
	manyTargets = 2500
	manySuites  = 4
	manySpecs   = 12
)

// judgement plans and judges many synthetic cells: what the host does of its own for each of them, without any guest.
func (b *bench) judgement(context.Context) ([]Row, error) {
	var took []time.Duration
	var last judged
	for range b.pairs {
		var err error
		if last, err = judgeAll(); err != nil {
			return nil, err
		}
		took = append(took, last.took)
	}
	speed := figure("plan and judge 10,000 cells", "", median(took).Seconds(), Seconds, "%d specs each; %.0f MiB allocated in all",
		manySpecs, inMiB(last.allocated)).atMost(1)
	speed.Samples = map[string][]float64{"run": seconds(took)}
	memory := figure("  of it, held while 10,000 records are kept", "", inMiB(last.held), MiB, "%.1f KiB for each finished cell, as a run keeps them to its end",
		float64(last.held)/1024/(manyTargets*manySuites))
	flat := last.held <= 0
	memory.Budget, memory.Met = "flat", &flat
	return []Row{speed, memory}, nil
}

// judged is what it took to judge all cells.
type judged struct {
	took            time.Duration
	allocated, held int64 // bytes: in all, and at the end by the records
}

func judgeAll() (j judged, err error) {
	plan := syntheticPlan()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	cells, digest := plan.Cells(), plan.Digest()
	records := make(map[harness.Cell]results.Record, len(cells))
	for i, c := range cells {
		rec := harness.Judge(evidence(i))
		rec.Suite, rec.Target.Release = c.Suite, c.Target
		records[c] = rec
	}
	j.took = time.Since(began)
	runtime.ReadMemStats(&after)
	j.allocated = int64(after.TotalAlloc - before.TotalAlloc)
	runtime.GC()
	runtime.ReadMemStats(&after)
	j.held = int64(after.HeapAlloc) - int64(before.HeapAlloc)
	if n := len(records); n != manyTargets*manySuites || digest == "" {
		return j, fmt.Errorf("%d cells were judged, not %d", n, manyTargets*manySuites)
	}
	for c, rec := range records {
		if rec.Status != results.Pass {
			return j, fmt.Errorf("%s %s was judged %s: %s", c.Target, c.Suite, rec.Status, rec.Reason)
		}
	}
	runtime.KeepAlive(plan)
	return j, nil
}

func syntheticPlan() *harness.Plan {
	p := &harness.Plan{Module: results.Module{Name: "synthetic", SourceDigest: "sha256:0"}}
	for i := range manyTargets {
		version := fmt.Sprintf("6.%d.%d", i/100, i%100)
		p.Targets = append(p.Targets, kernels.Target{Release: version + "-amd64", Version: version, Arch: "x86_64", Flavour: "amd64",
			Source: "debian:synthetic", Packages: []kernels.Package{{Name: "linux-image-" + version, Version: version, SHA256: fmt.Sprintf("%064d", i), Size: 1 << 20}}})
	}
	for i := range manySuites {
		p.Suites = append(p.Suites, harness.Suite{Name: fmt.Sprintf("suite%d", i)})
	}
	return p
}

// evidence is what a guest that did all that it should tells, frame by frame.
func evidence(i int) harness.Evidence {
	nonce, release := fmt.Sprintf("nonce%d", i), "6.0.0-amd64"
	g, seq := harness.NewGuest(nonce), uint64(0)
	add := func(f wire.Frame) {
		seq++
		f.Nonce, f.Seq, f.At = nonce, seq, int64(seq)
		g.Add(f)
	}
	stage := func(name string, inside func()) {
		add(wire.Frame{Kind: wire.KindStage, Stage: name})
		inside()
		add(wire.Frame{Kind: wire.KindStage, Stage: name, Done: true})
		add(wire.Frame{Kind: wire.KindTaint, Stage: name, Taint: 1 << 12})
	}
	add(wire.Frame{Kind: wire.KindHello, Release: release})
	add(wire.Frame{Kind: wire.KindTaint, Stage: wire.StageBoot})
	stage(wire.StageLoad, func() { add(wire.Frame{Kind: wire.KindLoad, Module: "synthetic"}) })
	stage(wire.StageTest, func() { tellSpecs(add) })
	stage(wire.StageUnload, func() { add(wire.Frame{Kind: wire.KindUnload, Module: "synthetic"}) })
	add(wire.Frame{Kind: wire.KindStage, Stage: wire.StageShutdown})
	add(wire.Frame{Kind: wire.KindEnd})
	return harness.Evidence{Built: true, Modules: 1, Want: release, Guest: g, End: harness.Ending{Reason: harness.CleanEnd}}
}

func tellSpecs(add func(wire.Frame)) {
	specs := make([]wire.Spec, manySpecs)
	for i := range specs {
		specs[i].Name = fmt.Sprintf("the module does what spec %d of it says", i)
	}
	add(wire.Frame{Kind: wire.KindPlan, Specs: specs})
	for _, s := range specs {
		add(wire.Frame{Kind: wire.KindSpecStart, Spec: &s})
		s.State, s.DurationMS, s.Attempts = "passed", 1, 1
		add(wire.Frame{Kind: wire.KindSpecEnd, Spec: &s})
	}
	add(wire.Frame{Kind: wire.KindSuiteEnd})
}
