package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

func TestRunToTheEnd(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "old-amd64 lifecycle PASS@ \nyoung-amd64 lifecycle PASS@"
	if got := summary(res); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if res.Module.Name != "fifo" || res.Module.Version != "1.0" {
		t.Errorf("module %+v: the .ko knows better than its folder", res.Module)
	}
	for _, name := range []string{"results.json", "matrix.md", "journal.jsonl", "cells/old-amd64/lifecycle/console.log", "cells/young-amd64/lifecycle/specs.json"} {
		if _, err := os.Stat(filepath.Join(f.spec.Out, name)); err != nil {
			t.Error(err)
		}
	}
	if res2, err := f.run(t, t.Context()); err != nil || summary(res2) != want || f.builds.Load() != 2 {
		t.Errorf("again: %v, %d builds\n%s", err, f.builds.Load(), summary(res2))
	}
}

func TestOneKernelCannotBeHad(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.source.fetch = func(_ context.Context, target kernels.Target) error {
		if target.Version == "1.0" {
			return fmt.Errorf("%w: the disk is full", kernels.ErrUnavailable)
		}
		return nil
	}
	f.spec.Kernels = append(f.spec.Kernels, Selectors("debian:offline")...)
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "old-amd64 lifecycle MISS@fetch infra\nyoung-amd64 lifecycle PASS@ \ndebian:offline lifecycle MISS@fetch infra"
	if got := summary(res); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if code := res.ExitCode(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}

func TestPlansThatAreNone(t *testing.T) {
	f := newFixture(t, "")
	for name, want := range map[string]struct {
		is   error
		says string
	}{"debian:nothing": {ErrNothingMatched, "no nothing"}, "debian:offline": {kernels.ErrUnavailable, "no network"}} {
		f.spec.Kernels = Selectors(name)
		if _, err := f.Plan(t.Context(), f.spec); !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.spec.Kernels = Selectors("debian:old", "debian:nothing")
	if _, err := f.Plan(t.Context(), f.spec); !errors.Is(err, ErrNothingMatched) {
		t.Errorf("a selector that matches nothing was passed over: %v", err)
	}
}

func TestASuiteThatDoesNotCompileLeavesNothing(t *testing.T) {
	f := newFixture(t, "")
	f.compile = func(initramfs.Suites, context.Context, string, string) error {
		return &initramfs.CompileError{Output: "./x_test.go:3:1: no\n"}
	}
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Run(t.Context(), p)
	var usage *UsageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "x_test.go:3:1: no") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(f.spec.Out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the output folder is there: %v", err)
	}
}

func TestInterruptGivesEveryCellARecord(t *testing.T) {
	f := newFixture(t, "call until-spec\n")
	ctx, cancel := context.WithCancel(t.Context())
	f.notify = func(e results.Event) {
		if e.Kind == results.EventSpec {
			cancel()
		}
	}
	res, err := f.run(t, ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	for _, rec := range res.Records {
		if rec.Status != results.Miss || rec.Code != results.CodeInterrupted {
			t.Errorf("%s: %s %s %s", rec.Target.Release, rec.Status, rec.Code, rec.Reason)
		}
	}
	if data, err := os.ReadFile(filepath.Join(f.spec.Out, "results.json")); err != nil || bytes.Count(data, []byte(`"interrupted"`)) != 2 {
		t.Errorf("results.json: %v\n%s", err, data)
	}
}

func TestNotSource(t *testing.T) {
	for want, spec := range map[string]Spec{
		"[modmatrix-collected modmatrix-out modmatrix.lock modmatrix.toml out suites testers.allowed_signers]": {Module: "/m", Out: "/m/out/deep", Suites: []string{Lifecycle, "/m/suites/a", "/elsewhere"}},
		"[modmatrix-collected modmatrix-out modmatrix.lock modmatrix.toml suites testers.allowed_signers]":     {Module: "/m", Out: "/elsewhere", Suites: []string{Lifecycle}}, // by flags, or for a build alone
		"[modmatrix-collected modmatrix-out modmatrix.lock modmatrix.toml suites t testers.allowed_signers]":   {Module: "/m", Out: "/m/modmatrix-out", Suites: []string{"/m/t/a"}},
	} {
		if got := fmt.Sprint(notSource(spec, "/cache")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Results of other runs in the module's folder, as of the shards of one, and a store there, are none of its source.
func TestResultsAreNoSource(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{"part-1/journal.jsonl": `{"head":{"schema":"modmatrix.journal/v1"`, "old/results.json": `{"schema":"modmatrix.results/v1"}`, "src/results.json": "{}", "doc/journal.jsonl": "", "doc/more": "", "begun/journal.jsonl": ""} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755), os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(notSource(Spec{Module: dir}, filepath.Join(dir, ".cache/modmatrix"))); got != "[.cache begun modmatrix-collected modmatrix-out modmatrix.lock modmatrix.toml old part-1 suites testers.allowed_signers]" {
		t.Error(got)
	}
}

func TestCountShowsWhatIsNotTheSameEachTime(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "tried")
	f := newFixture(t, "call fail-second "+marker+"\npoweroff\n")
	f.spec.Kernels, f.spec.Count = Selectors("debian:old"), 4
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec := res.Records[0]
	if rec.Status != results.Error || rec.Attempts != 4 || !strings.Contains(strings.Join(rec.Notes, " "), "of 4 guests 1 ERROR 3 PASS") {
		t.Errorf("%+v", rec)
	}
}

func TestRequiredKernelsAreNotMissing(t *testing.T) {
	miss := results.Record{Status: results.Miss, Reason: "no network"}
	if got := missingIsError(miss, true); got.Status != results.Error || got.Reason != "required, but missing: no network" {
		t.Errorf("%+v", got)
	}
	if got := missingIsError(miss, false); got.Status != results.Miss {
		t.Errorf("%+v", got)
	}
	if got := missingIsError(results.Record{Status: results.Skip}, true); got.Status != results.Skip {
		t.Errorf("%+v", got)
	}
}
