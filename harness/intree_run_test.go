package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// helloKo is a real module, called hello, with one parameter n.
func helloKo(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("../kernels/kbuild/testdata/hello.ko")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// withTheirs returns the fixture's kernels modules of their own, and has the module that is built be called hello.
func (f *fixture) withTheirs(t *testing.T, dep string, names ...string) {
	t.Helper()
	for _, name := range names {
		ko := helloKo(t)
		ko = bytes.ReplaceAll(ko, []byte("name=hello\x00"), []byte("name="+name+"\x00"))
		if err := os.WriteFile(filepath.Join(f.source.dir, name+".ko"), ko, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, _ := os.ReadFile(filepath.Join(f.source.dir, "modules.dep"))
	if err := os.WriteFile(filepath.Join(f.source.dir, "modules.dep"), append(old, dep...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.spec.Module, "Kbuild"), []byte("obj-m := hello.o\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.make = func(_ context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		f.builds.Add(1)
		path := filepath.Join(r.Dir, "hello.ko")
		m := kbuild.Module{Name: "hello", Path: path, Version: "1.0", Params: []kbuild.Param{{Name: "n"}, {Name: "ours"}}}
		return &kbuild.Artifact{Modules: []kbuild.Module{m}}, os.WriteFile(path, []byte("OUR OWN COPY"), 0o644)
	}
	f.spec.CompareInTree = true
}

func TestCompareInTree(t *testing.T) {
	broken := func(context.Context, kbuild.Request) (*kbuild.Artifact, error) {
		return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: "hello.c:1: no"}
	}
	for name, c := range map[string]struct {
		script       string
		spoil        func(*fixture)
		ours, theirs string
		exit         int
	}{
		"both work":             {"call pass\npoweroff\n", nil, "PASS@ ", "PASS@ ", 0},
		"theirs breaks":         {"call theirs-break\npoweroff\n", nil, "PASS@ ", "FAIL@test reset", 0},
		"ours breaks":           {"call ours-break\npoweroff\n", nil, "FAIL@test reset", "PASS@ ", 1},
		"ours does not build":   {"call pass\npoweroff\n", func(f *fixture) { f.make = broken }, "FAIL@build build-error", "PASS@ ", 1},
		"neither":               {"call theirs-break\npoweroff\n", func(f *fixture) { f.make = broken }, "FAIL@build build-error", "FAIL@test reset", 1},
		"each spec in a guest":  {"call theirs-break\npoweroff\n", func(f *fixture) { f.spec.Isolate = IsolateSpec }, "PASS@ ", "FAIL@test reset", 0},
		"suites share a guest":  {"call theirs-break\npoweroff\n", func(f *fixture) { f.spec.Isolate = IsolateNone }, "PASS@ ", "FAIL@test reset", 0},
		"several guests":        {"call theirs-break\npoweroff\n", func(f *fixture) { f.spec.Count = 2 }, "PASS@ ", "FAIL@test reset", 0},
		"theirs is tried again": {"call theirs-break\npoweroff\n", func(f *fixture) { f.spec.Retries = 1 }, "PASS@ ", "FAIL@test reset", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, c.script)
			f.withTheirs(t, "hello.ko:\n", "hello")
			f.spec.Kernels = Selectors("debian:old")
			if c.spoil != nil {
				c.spoil(f)
			}
			res, err := f.run(t, t.Context())
			if err != nil || len(res.Records) != 1 {
				t.Fatalf("%v, %+v", err, res)
			}
			rec := res.Records[0]
			word := func(r results.Record) string { return fmt.Sprintf("%s@%s %s", r.Status, r.Stage, r.Code) }
			if word(rec) != c.ours || res.ExitCode() != c.exit || res.Summary[rec.Status] != 1 {
				t.Errorf("ours is %s (%s), exit code %d, %v; want %s", word(rec), rec.Reason, res.ExitCode(), res.Summary, c.ours)
			}
			theirs := rec.InTreeRun
			if theirs == nil || word(theirs.Record) != c.theirs || fmt.Sprint(theirs.Modules) != "[hello]" {
				t.Fatalf("theirs is %+v; want %s; notes %q", theirs, c.theirs, rec.Notes)
			}
			if theirs.Record.Target != rec.Target || theirs.Record.Suite != rec.Suite || theirs.Record.Attempts != max(1, f.spec.Count, len(theirs.Record.Tries)) {
				t.Errorf("theirs is of another cell: %+v", theirs.Record)
			}
			for _, file := range rec.Files() {
				if _, err := os.Stat(filepath.Join(f.spec.Out, file)); err != nil {
					t.Error(err)
				}
			}
			if a := theirs.Record.Artifacts; !strings.Contains(a.Console, "/in-tree/") || a.BuildLog != "" {
				t.Errorf("its artifacts: %+v", a)
			}
		})
	}
}

// Where no guest is started, nothing came of the kernel's own copy.
func TestCompareInTreeNeedsGuests(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.withTheirs(t, "hello.ko:\n", "hello")
	f.spec.Kernels, f.spec.BuildOnly = Selectors("debian:old"), true
	res, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rec := res.Records[0]; rec.Status != results.Pass || rec.InTreeRun != nil {
		t.Errorf("%s beside %+v", rec.Status, rec.InTreeRun)
	}
}

// Whoever watches sees the module's own guests only.
func TestCompareInTreeIsQuiet(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.withTheirs(t, "hello.ko:\n", "hello")
	f.spec.Kernels = Selectors("debian:old")
	if _, err := f.run(t, t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.begunGuests(); n != 1 {
		t.Errorf("%d guests were shown", n)
	}
}

// The same bytes from the other hand are another cell, and each comes from the cache by itself.
func TestCompareInTreeIsCached(t *testing.T) {
	f := newFixture(t, frozenScript)
	f.withChannels(t)
	f.withTheirs(t, "hello.ko:\n", "hello")
	works := f.make
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		art, err := works(ctx, r)
		return art, errors.Join(err, os.WriteFile(art.Modules[0].Path, helloKo(t), 0o644))
	}
	for i, want := range []bool{false, true} {
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rec := res.Records[0]
		if rec.Status != results.Pass || rec.Cached != want || rec.InTreeRun == nil || rec.InTreeRun.Record.Cached != want || rec.InTreeRun.Record.Status != results.Pass {
			t.Errorf("run %d: %+v beside %+v", i, rec, rec.InTreeRun)
		}
	}
	if n := len(f.entries(t, "cells")); n != 2 {
		t.Errorf("%d cells are kept, want 2", n)
	}
}

func TestCompareInTreeNotes(t *testing.T) {
	for name, c := range map[string]struct {
		dep, builtin string
		params       []string
		run          bool
		says         string
	}{
		"none":                 {says: "this kernel has no hello of its own"},
		"built in":             {builtin: "kernel/hello.ko\n", says: "hello is built into this kernel"},
		"a parameter of ours":  {dep: "hello.ko:\n", params: []string{"ours=1", "n=2"}, run: true, says: "takes no parameter ours"},
		"needs another":        {dep: "hello.ko: gone.ko\ngone.ko:\n", run: true},
		"parameters that both": {dep: "hello.ko:\n", params: []string{"n=2"}, run: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "call pass\npoweroff\n")
			f.withTheirs(t, c.dep, "hello", "gone")
			os.WriteFile(filepath.Join(f.source.dir, "modules.builtin"), []byte(c.builtin), 0o644)
			f.spec.Kernels, f.spec.Params = Selectors("debian:old"), c.params
			res, err := f.run(t, t.Context())
			if err != nil {
				t.Fatal(err)
			}
			rec := res.Records[0]
			notes := strings.Join(rec.Notes, "\n")
			if rec.InTreeRun != nil {
				notes += "\n" + strings.Join(rec.InTreeRun.Record.Notes, "\n")
			}
			if rec.Status != results.Pass || (rec.InTreeRun != nil) != c.run || !strings.Contains(notes, c.says) || c.says == "" && strings.Contains(notes, "takes no") {
				t.Errorf("%s %s; %+v; notes %q", rec.Status, rec.Reason, rec.InTreeRun, notes)
			}
		})
	}
}

// Of a package of several modules, those that the kernel has are run, in the order in which they load there.
func TestCopies(t *testing.T) {
	f := newFixture(t, "")
	f.withTheirs(t, "a.ko: between.ko b.ko base.ko\nb.ko: base.ko\nbetween.ko: b.ko base.ko\nbase.ko:\nother.ko:\n")
	tree := &kernels.Tree{Target: kernels.Target{Release: "1"}, Modules: f.source.dir}
	paths, lacking, err := copies(tree, []string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, kernels.ModuleName(p))
	}
	if fmt.Sprint(names) != "[b between a]" || len(lacking) != 1 || !strings.Contains(lacking[0], "no c of its own") {
		t.Errorf("got %v, %q", names, lacking)
	}
}

func TestModuleNames(t *testing.T) {
	f := newFixture(t, "")
	r := &builder{h: f.Harness, plan: &Plan{in: intake{module: &dkms.Package{Source: f.spec.Module}}}}
	if names, err := r.moduleNames(t.Context(), nil, &built{}); err != nil || fmt.Sprint(names) != "[fifo]" {
		t.Errorf("of a Kbuild: %v, %v", names, err)
	}
	f.evaluate = func(*dkms.Package, context.Context, *kernels.Tree) (*dkms.Conf, error) {
		return &dkms.Conf{Modules: []dkms.Module{{Name: "y-z"}, {Name: "x"}}}, nil
	}
	r.plan.in.module.HasConf = true
	if names, err := r.moduleNames(t.Context(), nil, &built{}); err != nil || fmt.Sprint(names) != "[x y_z]" {
		t.Errorf("of a dkms.conf: %v, %v", names, err)
	}
	b := &built{product: product{Modules: []kbuild.Module{{Name: "real"}}}}
	if names, err := r.moduleNames(t.Context(), nil, b); err != nil || fmt.Sprint(names) != "[real]" {
		t.Errorf("of a build: %v, %v", names, err)
	}
}

// An own copy that did not come to its end is run again with --resume; one that did is not.
func TestFinalBeside(t *testing.T) {
	for status, want := range map[results.Status]bool{results.Pass: true, results.Fail: true, results.Skip: true, results.Miss: false, results.Error: false} {
		rec := results.Record{Status: results.Pass, InTreeRun: &results.InTreeRun{Record: results.Record{Status: status}}}
		if final(rec) != want {
			t.Errorf("%s: %v", status, !want)
		}
	}
}

func TestCompareInTreeComesBackWithResume(t *testing.T) {
	f := newFixture(t, "call theirs-break\npoweroff\n")
	f.withTheirs(t, "hello.ko:\n", "hello")
	whole, err := f.run(t, t.Context())
	if err != nil || whole.Records[1].InTreeRun == nil {
		t.Fatalf("%v, %+v", err, whole)
	}
	f.begunGuests()
	f.spec.Resume = true
	again, err := f.run(t, t.Context())
	if err != nil || lasting(again) != lasting(whole) || f.begunGuests() != 0 {
		t.Errorf("%v\n%s\nwas\n%s", err, lasting(again), lasting(whole))
	}
	f.spec.CompareInTree = false
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "--compare-in-tree was") {
		t.Errorf("another question was gone on with: %v", err)
	}
	if slices.ContainsFunc(again.Records, func(rec results.Record) bool { return rec.InTreeRun.Record.Status != results.Fail }) {
		t.Error("what came of their copy is lost")
	}
}
