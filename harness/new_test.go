package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// shifting is an archive in which a suite gets a kernel of another release, or another build of the same.
type shifting struct {
	*fakeSource
	release, build map[string]string // by suite
}

func (m *shifting) Resolve(ctx context.Context, sel kernels.Selector) (kernels.Resolution, error) {
	if _, gone := m.release[sel.Name+" gone"]; gone {
		return kernels.Resolution{}, &kernels.IncompleteError{Release: sel.Name + "-amd64", Version: "2.0", Reason: "no headers"}
	}
	res, err := m.fakeSource.Resolve(ctx, sel)
	if err != nil {
		return res, err
	}
	t := &res.Targets[0]
	if release := m.release[sel.Name]; release != "" {
		t.Release, t.Version = release, "3.0"
	}
	t.Packages = []kernels.Package{{Name: "linux-image-" + t.Release, Version: m.build[sel.Name]}}
	return res, nil
}

func newShifting(t *testing.T) (*fixture, *shifting) {
	t.Helper()
	f := newFixture(t, "call pass\npoweroff\n")
	m := &shifting{f.source, map[string]string{}, map[string]string{}}
	f.sources = func(Spec) map[string]Source { return map[string]Source{"debian": m} }
	if res, err := f.run(t, t.Context()); err != nil || res.Summary[results.Pass] != 2 || f.begunGuests() != 2 {
		t.Fatal(err)
	}
	f.spec.New = true
	return f, m
}

// whose lists the records, and which were kept.
func whose(res *results.Results) string {
	var lines []string
	for _, rec := range res.Records {
		text := rec.Target.Release + " " + string(rec.Status)
		if rec.Kept != nil {
			text += " kept"
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, ", ")
}

func TestNewRunsOnlyWhatIsNew(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fixture, *shifting)
		guests int
		want   string
		notice string
	}{
		"nothing": {func(*fixture, *shifting) {}, 0, "old-amd64 PASS, young-amd64 PASS", "no kernel is new since the run of "},
		"another release": {func(_ *fixture, m *shifting) { m.release["young"] = "younger-amd64" }, 1,
			"old-amd64 PASS kept, young-amd64 PASS kept, younger-amd64 PASS", "new are younger-amd64; kept from the run of "},
		"another build": {func(_ *fixture, m *shifting) { m.build["young"] = "2" }, 1, "old-amd64 PASS kept, young-amd64 PASS", "new are young-amd64"},
		"another selector": {func(f *fixture, _ *shifting) { f.spec.Kernels = append(f.spec.Kernels, Selectors("debian:more")...) }, 1,
			"old-amd64 PASS kept, young-amd64 PASS kept, more-amd64 PASS", "kept from the run of "},
		"a selector less":            {func(f *fixture, _ *shifting) { f.spec.Kernels = f.spec.Kernels[:1] }, 0, "old-amd64 PASS, young-amd64 PASS", "no kernel is new"},
		"an archive that forgot one": {func(_ *fixture, m *shifting) { m.release["young gone"] = "" }, 0, "old-amd64 PASS, young-amd64 PASS", "no kernel is new"},
		"a console that is gone": {func(f *fixture, _ *shifting) {
			_ = os.Remove(filepath.Join(f.spec.Out, "cells/old-amd64/lifecycle/console.log"))
		}, 1, "old-amd64 PASS, young-amd64 PASS kept", "the files of 1 cells are gone"},
		"all of them": {func(_ *fixture, m *shifting) { m.build["young"], m.build["old"] = "2", "2" }, 2, "old-amd64 PASS, young-amd64 PASS", "so all are run"},
	} {
		t.Run(name, func(t *testing.T) {
			f, m := newShifting(t)
			c.change(f, m)
			res, err := f.run(t, t.Context())
			if err != nil {
				t.Fatal(err)
			}
			notices := f.notices()
			if n := f.begunGuests(); n != c.guests || whose(res) != c.want || !strings.Contains(notices, c.notice) {
				t.Errorf("%d guests, %s\nnotices %s\nwant %d, %s", n, whose(res), notices, c.guests, c.want)
			}
			for _, rec := range res.Records {
				if !hasFiles(t, f.spec.Out, rec.Files()) || rec.Artifacts.Console == "" {
					t.Errorf("%s: artifacts %+v", rec.Target.Release, rec.Artifacts)
				}
			}
			read, err := results.Read(filepath.Join(f.spec.Out, results.FileName))
			if err != nil || lasting(read) != lasting(res) {
				t.Error("results.json is another matrix:", err)
			}
			again, err := f.run(t, t.Context())
			if n := f.begunGuests(); err != nil || n != 0 || lasting(again) != lasting(res) {
				t.Errorf("once more: %d guests, %s, %v", n, whose(again), err)
			}
			f.spec.New, f.spec.Resume = false, true
			if name == "a selector less" { // that was asked for and is not: resuming refuses, --new does not
				return
			}
			resumed, err := f.run(t, t.Context())
			if n := f.begunGuests(); err != nil || n != 0 || whose(resumed) != c.want {
				t.Errorf("resumed: %d guests, %v", n, err)
			}
		})
	}
}

// TestNothingNewChangesNothing: results.json stays as it is, byte for byte.
func TestNothingNewChangesNothing(t *testing.T) {
	f, _ := newShifting(t)
	path := filepath.Join(f.spec.Out, results.FileName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.run(t, t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%v\n%s\n%s", err, before, after)
	}
}

// A FAIL that is kept fails the matrix, and a MISS that is kept is reported.
func TestNewKeepsTheExitCode(t *testing.T) {
	f, m := newShifting(t)
	f.spec.New = false
	f.source.fetch = func(_ context.Context, target kernels.Target) error {
		if target.Version == "1.0" {
			return kernels.ErrUnavailable
		}
		return nil
	}
	if res, err := f.run(t, t.Context()); err != nil || res.Summary[results.Miss] != 1 {
		t.Fatal(err)
	}
	f.events, f.spec.New, f.source.fetch = nil, true, nil
	m.release["young"] = "younger-amd64"
	res, err := f.run(t, t.Context())
	if err != nil || whose(res) != "old-amd64 MISS kept, young-amd64 PASS kept, younger-amd64 PASS" || res.ExitCode() != 3 {
		t.Fatalf("%s, exit code %d, %v", whose(res), res.ExitCode(), err)
	}
	if notices := f.notices(); !strings.Contains(notices, "1 of the kept cells have no verdict") {
		t.Errorf("notices %s", notices)
	}
	f.events, f.spec.New, f.spec.Resume = nil, false, true
	res, err = f.run(t, t.Context())
	if err != nil || whose(res) != "old-amd64 PASS, young-amd64 PASS kept, younger-amd64 PASS kept" && whose(res) != "old-amd64 PASS, young-amd64 PASS kept, younger-amd64 PASS" {
		t.Errorf("%s, %v", whose(res), err)
	}
}

func TestNewOfAnotherModuleIsRefused(t *testing.T) {
	f, m := newShifting(t)
	m.release["young"] = "younger-amd64"
	if err := os.WriteFile(filepath.Join(f.spec.Module, "fifo.c"), []byte("int other;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, f.spec.Out)
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = f.Run(t.Context(), p)
	if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), "--new: the run that is there was another one: the module's source was") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	if snapshot(t, f.spec.Out) != before {
		t.Error("the folder was changed")
	}
}

// A run --new may be killed at any byte of its journal: --new then comes to the same matrix, and nothing of another build of a
// kernel counts for this one.
func TestNewAfterAnyByte(t *testing.T) {
	f, m := newShifting(t)
	m.release["young"], m.build["old"] = "younger-amd64", "2"
	if res, err := f.run(t, t.Context()); err != nil || whose(res) != "old-amd64 PASS, young-amd64 PASS kept, younger-amd64 PASS" {
		t.Fatal(whose(res), err)
	}
	path := filepath.Join(f.spec.Out, results.JournalName)
	journal, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := bytes.Index(journal, []byte(`"kept":[`)); cut <= len(journal); cut += max(1, len(journal)/5) {
		if err := os.WriteFile(path, journal[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		f.events = nil
		res, err := f.run(t, t.Context())
		if err != nil || len(res.Records) != 3 || res.Summary[results.Pass] != 3 || !strings.Contains(whose(res), "young-amd64 PASS kept") {
			t.Fatalf("cut after %d bytes: %s, %v", cut, whose(res), err)
		}
		read, err := results.Read(filepath.Join(f.spec.Out, results.FileName))
		if err != nil || lasting(read) != lasting(res) {
			t.Error(cut, err)
		}
	}
}
