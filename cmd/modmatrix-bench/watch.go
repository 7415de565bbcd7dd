package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/harness/watch"
	"github.com/modmatrix/modmatrix/results"
)

// saves is how many times one line is changed; the median counts.
const saves = 10

// saved is what is measured of saves, in seconds.
type saved struct {
	verdict []float64 // from the save of one line to the verdict on it
	dropped []float64 // from a save in the middle of a round until nothing of that is left
}

// watch times the inner loop of an author: one line changed, one kernel, until the verdict; and a round that a save made pointless.
func (b *bench) watch(ctx context.Context) ([]Row, error) {
	module, err := os.MkdirTemp(b.temp, "watch-")
	if err == nil {
		err = os.CopyFS(module, os.DirFS(b.driver))
	}
	if err != nil {
		return nil, err
	}
	got, err := b.saves(ctx, module)
	if err != nil {
		return nil, err
	}
	kernel := b.rigs[0].release()
	verdict := figure("watch: one line saved, until the verdict", kernel, measure.Median(got.verdict), Seconds, "%d saves, %s", saves, spread(got.verdict)).atMost(3)
	dropped := figure("watch: a save in the middle of a round, until that is gone", kernel, measure.Median(got.dropped), Seconds, "%d saves, %s", saves, spread(got.dropped)).atMost(0.3)
	verdict.Samples, dropped.Samples = map[string][]float64{"verdict": got.verdict}, map[string][]float64{"dropped": got.dropped}
	return []Row{verdict, dropped}, nil
}

func spread(s []float64) string {
	return fmt.Sprintf("%.2f to %.2f s, settling included", slices.Min(s), slices.Max(s))
}

// saves runs a watch on the first kernel alone, and saves into it.
func (b *bench) saves(ctx context.Context, module string) (got saved, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan results.Event, 1<<16) // nobody waits for whoever reads them
	spec, err := config.Default().Spec(config.Flags{Kernels: b.selectors[:1], Spec: harness.Spec{Module: module, Suites: []string{harness.Lifecycle}, Out: filepath.Join(b.temp, "watch-out")}})
	if err != nil {
		return got, err
	}
	loop, err := watch.New(watch.Options{Harness: harness.Options{Tool: "modmatrix-bench", Events: func(e results.Event) { events <- e }}, Folder: module,
		Spec: func() (harness.Spec, error) { return spec, nil }})
	if err != nil {
		return got, err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := loop.Run(ctx)
		ended <- err
	}()
	defer func() { cancel(); <-ended }()
	until := func(fits func(results.Event) bool) (time.Duration, error) { return awaitEvent(ctx, events, fits) }
	if _, err := until(passed); err != nil {
		return got, err
	}
	file := filepath.Join(module, "fifo.c")
	save := func() error { return touch(file, fmt.Sprint(time.Now().UnixNano())) }
	for i := range saves {
		whole, err := timed(save, until, passed)
		if err != nil {
			return got, err
		}
		if _, err := timed(save, until, compiling); err != nil {
			return got, err
		}
		gone, err := timed(save, until, pointless)
		if err == nil {
			_, err = until(passed)
		}
		if err != nil {
			return got, err
		}
		got.verdict, got.dropped = append(got.verdict, whole), append(got.dropped, gone)
		b.say("       watch %d/%d: verdict %.2f s, dropped %.2f s", i+1, saves, whole, gone)
	}
	return got, nil
}

// timed is how long it takes from do until an event that fits.
func timed(do func() error, until func(func(results.Event) bool) (time.Duration, error), fits func(results.Event) bool) (float64, error) {
	if err := do(); err != nil {
		return 0, err
	}
	took, err := until(fits)
	return took.Seconds(), err
}

// awaitEvent is how long it takes until an event fits. A round that came to another verdict than PASS is an error: its time means nothing.
func awaitEvent(ctx context.Context, events <-chan results.Event, fits func(results.Event) bool) (time.Duration, error) {
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case e := <-events:
			switch {
			case fits(e):
				return time.Since(began), nil
			case e.Kind == results.EventRound && e.State == results.StateDone && e.Round.Status != results.Pass:
				return 0, fmt.Errorf("a round came to %s", e.Round.Status)
			case e.Kind == results.EventRound && e.State == results.StateFailed && !pointless(e):
				return 0, errors.New(e.Text)
			}
		}
	}
}

func passed(e results.Event) bool {
	return e.Kind == results.EventRound && e.State == results.StateDone && e.Round.Status == results.Pass
}

func pointless(e results.Event) bool {
	return e.Kind == results.EventRound && e.State == results.StateFailed && e.Text == watch.Changed
}

// compiling is a round in the middle: the compiler runs.
func compiling(e results.Event) bool {
	return e.Kind == results.EventStage && e.Stage == results.StageBuild && e.State == results.StateStart
}
