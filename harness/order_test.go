package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// What failed last is first, then the newest kernel, then what takes longest.
func TestOrderOfWork(t *testing.T) {
	dir := t.TempDir()
	p := &Plan{Module: results.Module{Name: "fifo"}, Suites: []Suite{{Name: "one"}, {Name: "two"}}}
	for _, version := range []string{"1.0", "2.0", "3.0", "4.0"} {
		p.Targets = append(p.Targets, kernels.Target{Release: version, Version: version})
	}
	times := openDurations(dir)
	times.note(durationKey(p, results.Cell{Target: "1.0"}), time.Second)
	times.note(durationKey(p, results.Cell{Target: "2.0"}), time.Minute)
	sorted := func(o *order) string { return strings.Join(listOf(o.sorted(), Label), " ") }
	o := newOrder(dir, p, times)
	if got := sorted(o); got != "4.0 2.0 3.0 1.0" {
		t.Errorf("at first: %s", got)
	}
	two := results.Cell{Target: "1.0", Suite: "two"}
	o.note(two, results.Fail)
	o.note(two, results.Miss) // which says nothing
	o.note(results.Cell{Target: "3.0", Suite: "one"}, results.Skip)
	o.failed.save()
	o = newOrder(dir, p, times)
	if got := sorted(o); got != "1.0 4.0 2.0 3.0" {
		t.Errorf("after a failure: %s", got)
	}
	if other := (results.Cell{Target: "1.0", Suite: "one"}); o.cell(two, "").compare(o.cell(other, "")) >= 0 {
		t.Error("the suite that failed is not before the other one")
	}
	o.note(two, results.Pass)
	if got := sorted(o); got != "4.0 2.0 3.0 1.0" {
		t.Errorf("mended: %s", got)
	}
}

// begun are the kernels in the order in which their work began.
func (f *fixture) begun() (labels []string) {
	for _, e := range f.events {
		if e.Stage == results.StageFetch && e.State == results.StateStart {
			labels = append(labels, e.Target)
		}
	}
	return labels
}

// failsOn makes the builds for releases fail.
func (f *fixture) failsOn(releases ...string) {
	good := f.make
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		if slices.Contains(releases, r.Tree.Target.Release) {
			return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: "fifo.c:1: no"}
		}
		return good(ctx, r)
	}
}

// A run begins with what failed last, and else with the newest kernel; the matrix shows them in its own order.
func TestARunBeginsWithWhatFailedLast(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.spec.Jobs, f.spec.BuildOnly = 1, true
	good := f.make
	f.failsOn("old-amd64")
	for i, want := range []string{"young-amd64 old-amd64", "old-amd64 young-amd64", "old-amd64 young-amd64", "young-amd64 old-amd64"} {
		if i == 2 { // mended
			f.make = good
		}
		f.events = nil
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.begun(), " "); got != want {
			t.Errorf("run %d began with %s, want %s", i, got, want)
		}
		if res.Records[0].Target.Release != "old-amd64" {
			t.Errorf("run %d: the matrix begins with %s", i, res.Records[0].Target.Release)
		}
	}
}

// With FailFast, the first FAIL ends the run: what did not run says why, a guest that is under way ends, and --resume goes on.
func TestFailFastEndsAtTheFirstFailure(t *testing.T) {
	f := newFixture(t, "call until-spec\n")
	f.spec.Jobs, f.spec.FailFast, f.spec.Kernels = 2, true, Selectors("debian:old", "debian:young", "debian:offline")
	f.failsOn("old-amd64")
	failing, tests := f.make, make(chan struct{})
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		if r.Tree.Target.Release == "old-amd64" {
			select { // until the other kernel's guest is at a spec
			case <-tests:
			case <-ctx.Done():
			}
		}
		return failing(ctx, r)
	}
	notify, once := f.notify, sync.Once{}
	f.notify = func(e results.Event) {
		if notify(e); e.Kind == results.EventSpec && e.State == results.StateStart {
			once.Do(func() { close(tests) })
		}
	}
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := summary(res), "old-amd64 lifecycle FAIL@build build-error\nyoung-amd64 lifecycle MISS@test interrupted\ndebian:offline lifecycle MISS@fetch infra"; got != want || res.ExitCode() != results.ExitFail {
		t.Errorf("exit code %d:\n%s", res.ExitCode(), got)
	}
	if got, want := res.Records[1].Reason, "not run: --fail-fast ended the run when old-amd64 failed with lifecycle"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := os.Stat(filepath.Join(f.spec.Out, results.FileName)); err != nil {
		t.Error(err)
	}
	f.spec.Resume, f.spec.FailFast, f.spec.BuildOnly = true, false, false
	f.failsOn()
	ctx, cancel := context.WithCancel(t.Context())
	f.notify = func(e results.Event) {
		if e.Kind == results.EventRecord && e.Target == "old-amd64" {
			cancel() // it was kept; the guest would never end
		}
	}
	if res, err = f.run(t, ctx); !errors.Is(err, context.Canceled) || res.Records[0].Status != results.Fail || res.Records[1].Reason != "interrupted before it was through" {
		t.Errorf("%v\n%s", err, summary(res))
	}
}
