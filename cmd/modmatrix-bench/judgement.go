package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

// The size of the synthetic matrix, and of each guest's report.
const (
	manyTargets = 2500
	manySuites  = 4
	manySpecs   = 12
)

// judgement plans and judges many synthetic cells: the host's own work for each of them, without any guest.
func (b *bench) judgement(context.Context) ([]Row, error) {
	var took []float64
	var allocated int64
	for range b.pairs {
		before, began := int64(memStats().TotalAlloc), time.Now()
		if err := judgeAll(func(results.Record) error { return nil }); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began).Seconds())
		allocated = int64(memStats().TotalAlloc) - before
	}
	speed := figure("plan and judge 10,000 cells", "", measure.Median(took), Seconds, "%d specs each; %.0f MiB allocated in all",
		manySpecs, inMiB(allocated)).atMost(1)
	speed.Samples = map[string][]float64{"run": took}
	memory, err := b.journalled()
	return append([]Row{speed}, memory...), err
}

// perCell is how many bytes a finished cell may hold for memory to be called flat: a fiftieth of its record.
const perCell = 48

// journalled measures what 10,000 finished cells hold while a run goes on, which has their records in its journal alone, and
// at its end, when it reads them back. The heap counts after the first quarter, so that what is allocated once is not included.
func (b *bench) journalled() ([]Row, error) {
	folder, err := results.OpenFolder(filepath.Join(b.temp, "journal"))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	journal, _, err := folder.Journal()
	if err != nil {
		return nil, err
	}
	defer journal.Close()
	if err := journal.Reset(results.Head{}); err != nil {
		return nil, err
	}
	done, quarter := make(map[results.Cell]bool, manyTargets*manySuites), int64(0)
	err = judgeAll(func(rec results.Record) error {
		done[results.Cell{Target: rec.Target.Release, Suite: rec.Suite}] = true
		if len(done) == manyTargets*manySuites/4 {
			quarter = heap()
		}
		return journal.Append(rec)
	})
	if err != nil {
		return nil, err
	}
	all := heap()
	log, err := journal.Log()
	if err != nil || len(log.Records) != len(done) {
		return nil, fmt.Errorf("%d of %d records were read back: %w", len(log.Records), len(done), err)
	}
	end := heap() - all
	more, cells := max(all-quarter, 0), int64(len(done)-len(done)/4)
	held := figure("  of it, held by the last 7,500 finished cells", "", inMiB(more), MiB, "%d bytes each, while the run goes on: their records are in the journal", more/cells)
	flat := more <= perCell*cells
	held.Budget, held.Met = "flat", &flat
	back := figure("  of it, held when all are read back at the end", "", inMiB(end), MiB, "%.1f KiB each, for the report", float64(end)/1024/float64(len(done)))
	runtime.KeepAlive(log)
	return []Row{held, back}, nil
}

func heap() int64 {
	runtime.GC()
	return int64(memStats().HeapAlloc)
}

func memStats() (m runtime.MemStats) {
	runtime.ReadMemStats(&m)
	return m
}

func judgeAll(record func(results.Record) error) error {
	plan := syntheticPlan()
	if plan.Digest() == "" {
		return errors.New("the plan has no digest")
	}
	for i, c := range plan.Cells() {
		rec := judge.Judge(evidence(i))
		if rec.Status != results.Pass {
			return fmt.Errorf("%s %s was judged %s: %s", c.Target, c.Suite, rec.Status, rec.Reason)
		}
		rec.Suite, rec.Target.Release = c.Suite, c.Target
		if err := record(rec); err != nil {
			return err
		}
	}
	return nil
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

// goodGuest is the report of a guest that did everything right, frame by frame.
//
//go:embed guest.json
var goodGuest []byte

var goodFrames = sync.OnceValue(func() (frames []wire.Frame) {
	if err := json.Unmarshal(goodGuest, &frames); err != nil {
		panic(err) // built with another one
	}
	return frames
})

func evidence(i int) judge.Evidence {
	nonce := fmt.Sprintf("nonce%d", i)
	g := judge.NewGuest(nonce)
	for n, f := range goodFrames() {
		f.Nonce, f.Seq, f.At = nonce, uint64(n+1), int64(n+1)
		g.Add(f)
	}
	return judge.Evidence{Built: true, Modules: 1, Want: goodFrames()[0].Release, Guest: g, End: judge.Ending{Reason: judge.CleanEnd}}
}
