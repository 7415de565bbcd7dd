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

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/arch"
)

// noteSuites returns what was compiled, for which architecture, sorted.
func (f *fixture) noteSuites() func() []string {
	var mu sync.Mutex
	var made []string
	f.compile = func(s initramfs.Suites, _ context.Context, dir, out string) error {
		mu.Lock()
		made = append(made, filepath.Base(dir)+" "+s.Arch.Debian)
		mu.Unlock()
		return os.WriteFile(out, []byte("suite of "+s.Arch.Go), 0o755)
	}
	return func() []string { return slices.Sorted(slices.Values(made)) }
}

// A suite is compiled once for each architecture, whatever the number of kernels, and found again; a guest gets that of its own kernel's.
func TestSuitesAreCompiledForEachArchitecture(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	made := f.noteSuites()
	f.spec.Kernels = Selectors("debian:old", "debian:young", "debian:old%riscv64", "debian:young%riscv64", "debian:old%s390x")
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := f.prepare(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer r.cleanUp()
	for range 2 {
		if err := r.compileSuites(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(made(), ", "); got != "lifecycle amd64, lifecycle riscv64, lifecycle s390x" {
		t.Errorf("compiled: %s", got)
	}
	for _, target := range p.Targets {
		tree, _ := f.source.Fetch(t.Context(), target, nil)
		c := cell{run: r, tree: tree, suite: Lifecycle}
		a, _ := arch.OfMachine(target.Arch)
		if data, err := os.ReadFile(c.compiled(Lifecycle).path); err != nil || string(data) != "suite of "+a.Go {
			t.Errorf("%s: %s, %v", Label(target), data, err)
		}
	}
}

// Nothing that was found out on one architecture is taken for another: the same tree digest, version and flavour have other specs and cells.
func TestNoKeyMixesArchitectures(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.noteSuites()
	f.spec.Kernels = Selectors("debian:old", "debian:old%riscv64")
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r, err := f.prepare(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer r.cleanUp()
	keys := map[string]string{}
	for _, target := range p.Targets {
		target.Flavour = "same"
		tree, _ := f.source.Fetch(t.Context(), target, nil)
		tree.Digest = "sha256:same"
		c := cell{run: r, tree: tree, about: About(target), suite: Lifecycle}
		for kind, key := range map[string]string{"specs": c.specsKey(Lifecycle), "cells": c.cacheKey(&template{id: "same"})} {
			if other := keys[kind+key]; key == "" || other != "" {
				t.Errorf("%s: %s and %s have one key", kind, other, Label(target))
			}
			keys[kind+key] = Label(target)
		}
	}
}

// Where QEMU of one architecture is missing, its kernels are built and have no verdict, with the package to install; the others are run.
func TestWithoutOneEmulatorTheOthersRun(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	fakes, _, _ := strings.Cut(os.Getenv("PATH"), string(filepath.ListSeparator))
	t.Setenv("PATH", fakes)
	if _, err := os.Stat(filepath.Join(fakes, "qemu-system-riscv64")); err == nil {
		if err := os.Remove(filepath.Join(fakes, "qemu-system-riscv64")); err != nil {
			t.Fatal(err)
		}
	}
	f.spec.Kernels = Selectors("debian:old", "debian:old%riscv64")
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const cure = "no qemu-system-riscv64 on PATH, install the package qemu-system-misc"
	if len(res.Records) != 2 || res.Records[0].Status != results.Pass {
		t.Fatalf("records %+v", res.Records)
	}
	if rec := res.Records[1]; rec.Status != results.Error || rec.Code != results.CodeInfra || rec.Stage != results.StageBoot || !strings.Contains(rec.Reason, cure) {
		t.Errorf("%s %s %s: %s", rec.Status, rec.Stage, rec.Code, rec.Reason)
	}
	if res.ExitCode() != results.ExitTrouble || int(f.builds.Load()) != 2 {
		t.Errorf("exit code %d, %d builds", res.ExitCode(), f.builds.Load())
	}
	said := slices.ContainsFunc(f.events, func(e results.Event) bool {
		return e.Kind == results.EventNotice && strings.HasPrefix(e.Text, "riscv64: the module is built for 1 of its kernels, and cannot be run on them: ") && strings.Contains(e.Text, cure)
	})
	if !said {
		t.Error("no notice says so before")
	}
	f.spec.Kernels = Selectors("debian:old%riscv64")
	if _, err := f.run(t, t.Context()); err == nil || !errors.As(err, new(*UsageError)) || !strings.Contains(err.Error(), cure) {
		t.Errorf("with no other kernel: %v", err)
	}
}

// A series that an architecture has no kernel of is left out where --arch asked for it, and said. Where a selector names it, it is a MISS
// with the reason; an error, where that is all.
func TestNotEverySeriesHasEveryArchitecture(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.spec.Kernels = Selectors("debian:pc", "debian:pc%riscv64")
	res, err := f.run(t, t.Context())
	if err != nil || len(res.Records) != 2 || res.ExitCode() != results.ExitTrouble {
		t.Fatalf("without --arch: %v, %+v", err, res)
	}
	miss := func(rec results.Record) bool {
		return rec.Target.Release == "debian:pc%riscv64" && rec.Status == results.Miss && rec.Reason == "debian:pc has no kernel of riscv64"
	}
	if !slices.ContainsFunc(res.Records, miss) {
		t.Errorf("without --arch: %+v", res.Records)
	}
	f.spec.Kernels = Selectors("debian:pc%riscv64")
	if _, err := f.Plan(t.Context(), f.spec); !errors.Is(err, ErrNothingMatched) {
		t.Errorf("that alone: %v", err)
	}
	f.spec.Kernels = Selectors("debian:pc", "debian:pc%riscv64")
	f.spec.Archs = []string{arch.Host().Debian, "riscv64"}
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if len(p.Targets) != 1 || !slices.Contains(p.Notices, "debian:pc%riscv64 is left out: debian:pc has no kernel of riscv64") {
		t.Errorf("%d targets, notices %q", len(p.Targets), p.Notices)
	}
	f.spec.Kernels = Selectors("debian:pc%riscv64", "debian:pc%s390x")
	f.spec.Archs = []string{"riscv64", "s390x"}
	if _, err := f.Plan(t.Context(), f.spec); !errors.Is(err, ErrNothingMatched) || !strings.Contains(err.Error(), "debian:pc has no kernel of riscv64") {
		t.Errorf("with no kernel at all: %v", err)
	}
}

// Where QEMU saves no guest of an architecture, each boots, and a cell that passed is remembered all the same.
func TestWhatBootsIsRememberedToo(t *testing.T) {
	all := arch.All()
	i := slices.IndexFunc(all, func(a arch.Arch) bool { return a.QEMU.NoTemplate != "" })
	if i < 0 {
		t.Skip("guests of every architecture are cloned")
	}
	f := newFixture(t, "console Linux version 1.0\ncall pass\npoweroff\n")
	f.withChannels(t)
	f.spec.Kernels = Selectors("debian:old%" + all[i].Debian)
	for _, cached := range []bool{false, true} {
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rec := res.Records[0]; rec.Status != results.Pass || rec.Cached != cached {
			t.Errorf("%s %s, cached %v, want %v", rec.Status, rec.Reason, rec.Cached, cached)
		}
	}
}
