package harness

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

// heavy is a record with all that a failing cell may bring along: some 6 KiB.
func heavy(c results.Cell) results.Record {
	rec := judge.Judge(judge.Evidence{Build: &judge.Blame{Stage: results.StageBuild, Code: results.CodeBuildError, Reason: c.Target + ": too few arguments"}})
	for i := range 12 {
		rec.Specs = append(rec.Specs, results.Spec{Name: fmt.Sprintf("the module does what spec %d of %s says", i, c.Suite), Status: results.Pass, Attempts: 1})
	}
	rec.Splats = append(rec.Splats, results.Splat{Title: "WARNING in " + c.Target, Kind: "warn", Excerpt: strings.Repeat(c.Target+"\n", 4<<10/len(c.Target))})
	return rec
}

// held is what is on the heap, in bytes.
func held() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one only finalised
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// manyCells begins a run of n targets that are only built, with one suite.
func manyCells(t *testing.T, f *fixture, n int) *run {
	t.Helper()
	f.spec.Kernels, f.spec.BuildOnly, f.notify = nil, true, nil
	for i := range n {
		f.spec.Kernels = append(f.spec.Kernels, Selectors(fmt.Sprintf("debian:k%04d", i))...)
	}
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	r, err := f.begin(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.cleanUp)
	r.records.stop = func(cause error) { t.Errorf("stopped: %v", cause) }
	for _, target := range p.Targets {
		r.records.know(Label(target), About(target))
	}
	return r
}

// What a run holds was laid out with its plan: a finished cell lies in the journal alone, and all come back at the end. So it
// is after --resume, too.
func TestFinishedCellsAreNotHeldInMemory(t *testing.T) {
	const n, perCell, planned = 100, 256, 1 << 10 // bytes: a record is twenty times perCell
	f := newFixture(t, "")
	r := manyCells(t, f, 4*n)
	cells := r.plan.Cells()
	record := func(some []results.Cell) int64 {
		for _, c := range some {
			r.records.record(c, heavy(c))
		}
		return held()
	}
	few := record(cells[:n])
	many := record(cells[n : 4*n-1])
	t.Logf("%d KiB held with %d cells, %d KiB with %d", few>>10, n, many>>10, 4*n-1)
	if grown := many - few; grown > 3*n*perCell {
		t.Errorf("%d finished cells more take %d bytes more, %d each", 3*n, grown, grown/(3*n))
	}
	if err := r.records.out.log.Close(); err != nil { // it is killed
		t.Fatal(err)
	}
	f.spec.Resume = true
	r = manyCells(t, f, 4*n)
	r.records.reportEarlier()
	if after := held(); after-many > 4*n*planned {
		t.Errorf("%d cells that were taken over take %d bytes beside their plan", 4*n-1, after-many)
	}
	record(cells[4*n-1:])
	res, err := r.records.finish(t.Context())
	if err != nil || len(res.Records) != 4*n {
		t.Fatalf("%d records, %v", len(res.Records), err)
	}
	for i, c := range cells {
		if want := placed(heavy(c), c.Suite, r.records.targets[c.Target]); !reflect.DeepEqual(res.Records[i], want) {
			t.Fatalf("cell %d came back as\n%+v\nnot\n%+v", i, res.Records[i], want)
		}
	}
}

// A cell whose record the journal could not take, or lost, is none that passed.
func TestACellThatIsNotInTheJournal(t *testing.T) {
	for name, lose := range map[string]func(r *run) error{
		"not written": func(r *run) error { delete(r.records.done, r.plan.Cells()[1]); return nil },
		"lost":        func(r *run) error { return r.records.out.log.Reset(r.records.head()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := manyCells(t, newFixture(t, ""), 2)
			for _, c := range r.plan.Cells() {
				r.records.record(c, judge.Judge(judge.Evidence{Built: true, BuildOnly: true}))
			}
			if err := lose(r); err != nil {
				t.Fatal(err)
			}
			res, err := r.records.finish(t.Context())
			if err != nil || res.Records[1].Status != results.Miss || res.ExitCode() != results.ExitTrouble {
				t.Errorf("%v\n%s", err, summary(res))
			}
		})
	}
}

// The console of a kernel's guest is as large as many records: nothing of a target is held when it is through.
func TestATargetThatIsThroughIsLetGo(t *testing.T) {
	for _, isolate := range Isolations {
		f := newFixture(t, frozenScript)
		f.withChannels(t)
		f.spec.Isolate = isolate
		p, err := f.Plan(t.Context(), f.spec)
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.begin(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		r.records.stop = stop
		for _, target := range p.Targets {
			r.target(ctx, target, r.inLine(target))
		}
		res, err := r.records.finish(ctx)
		if err != nil || slices.ContainsFunc(res.Records, func(rec results.Record) bool { return rec.Artifacts.Console == "" }) {
			t.Errorf("%s: %v\n%s", isolate, err, summary(res))
		}
		if len(r.pool.templates)+len(r.sharing) > 0 {
			t.Errorf("%s: still held: %v, %v", isolate, r.pool.templates, r.sharing)
		}
		stop(nil)
		r.cleanUp()
		p.Close()
	}
}
