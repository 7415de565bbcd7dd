package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// begunGuests counts the guests that were started, and forgets all events.
func (f *fixture) begunGuests() int {
	n := 0
	for _, e := range f.events {
		if e.Kind == results.EventStage && e.Stage == results.StageBoot && e.State == results.StateStart {
			n++
		}
	}
	f.events = nil
	return n
}

// files lists what lies in the folder of results.
func (f *fixture) files(t *testing.T) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(f.spec.Out), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// lasting is what of the results does not depend on the clock.
func lasting(res *results.Results) string {
	doc := *res
	doc.Run = results.Run{PlanDigest: res.Run.PlanDigest, Host: res.Run.Host}
	doc.Records = slices.Clone(doc.Records)
	for i := range doc.Records {
		doc.Records[i].Timings = results.Timings{}
	}
	text, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		panic(err)
	}
	return string(text)
}

// tornFixture runs two kernels with two suites to the end.
func tornFixture(t *testing.T) (f *fixture, whole *results.Results, journal []byte) {
	t.Helper()
	f = newFixture(t, "call pass\npoweroff\n")
	suite := filepath.Join(filepath.Dir(f.spec.Module), "more")
	if err := os.MkdirAll(suite, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(suite, "more_test.go"), []byte("package more\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.spec.Suites = append(f.spec.Suites, suite)
	whole, err := f.run(t, t.Context())
	if err != nil || summary(whole) == "" || f.begunGuests() != 4 {
		t.Fatalf("%v\n%s", err, summary(whole))
	}
	journal, err = os.ReadFile(filepath.Join(f.spec.Out, results.JournalName))
	if err != nil {
		t.Fatal(err)
	}
	return f, whole, journal
}

// A run may be killed at any byte of its journal. What comes of going on is what would have come of it undisturbed.
func TestResumeAfterAnyByte(t *testing.T) {
	f, whole, journal := tornFixture(t)
	f.spec.Resume = true
	want, files := lasting(whole), f.files(t)
	for cut := 0; cut <= len(journal); cut += max(1, len(journal)/12) {
		if err := os.WriteFile(filepath.Join(f.spec.Out, results.JournalName), journal[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{results.FileName, results.MatrixName} {
			if err := os.Remove(filepath.Join(f.spec.Out, name)); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"." + results.FileName + "123", "cells/old-amd64/gone/.console.log77"} { // just being written
			path := filepath.Join(f.spec.Out, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		judged := bytes.Count(journal[:cut], []byte(`{"record":`))
		if i := bytes.LastIndex(journal[:cut], []byte(`{"record":`)); i >= 0 && !bytes.Contains(journal[i:cut], []byte("\n")) {
			judged--
		}
		res, err := f.run(t, t.Context())
		if err != nil {
			t.Fatalf("cut after %d bytes: %v", cut, err)
		}
		if n := f.begunGuests(); n != 4-judged {
			t.Errorf("cut after %d bytes: %d guests were started with %d of 4 cells judged", cut, n, judged)
		}
		if got := lasting(res); got != want {
			t.Errorf("cut after %d bytes: got\n%s\nwant\n%s", cut, got, want)
		}
		if judged > 0 && (res.Run.ID != whole.Run.ID || !res.Run.Started.Equal(whole.Run.Started)) {
			t.Errorf("cut after %d bytes: it is another run: %+v", cut, res.Run)
		}
		if got := f.files(t); !slices.Equal(got, files) {
			t.Errorf("cut after %d bytes: got %v, want %v", cut, got, files)
		}
	}
}

func TestResumeOfAnotherRunIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *fixture)
		want   string
	}{
		"other specs": {func(_ *testing.T, f *fixture) { f.spec.Focus = "x" }, `--focus was none and is "x"`},
		"other source": {func(t *testing.T, f *fixture) {
			if err := os.WriteFile(filepath.Join(f.spec.Module, "fifo.c"), []byte("int other;\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "the module's source was "},
		"other tool": {func(_ *testing.T, f *fixture) { f.tool = "modmatrix 9" }, "modmatrix was "},
		"other suite": {func(_ *testing.T, f *fixture) {
			f.compile = func(_ initramfs.Suites, _ context.Context, _, out string) error {
				return os.WriteFile(out, []byte("other"), 0o755)
			}
			os.RemoveAll(filepath.Join(f.store.Dir(), "suites"))
		}, "the suite more for x86_64 was "},
		"fewer kernels": {func(_ *testing.T, f *fixture) { f.spec.Kernels = f.spec.Kernels[:1] }, "also judged young-amd64 with"},
		"a broken journal": {func(t *testing.T, f *fixture) {
			path := filepath.Join(f.spec.Out, results.JournalName)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append([]byte("?"), data...), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			f, _, _ := tornFixture(t)
			f.spec.Resume = true
			c.change(t, f)
			before := snapshot(t, f.spec.Out)
			p, err := f.Plan(t.Context(), f.spec)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Run(t.Context(), p)
			if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if now := snapshot(t, f.spec.Out); now != before {
				t.Errorf("the folder was changed from\n%s\nto\n%s", before, now)
			}
		})
	}
}

// snapshot is all that lies below dir.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s: %s\n", path, store.Digest(string(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What was no verdict on the module is run again, and so is what lost its artifacts; a kernel may be added.
func TestResumeRunsWhatIsNotJudged(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.source.fetch = func(_ context.Context, target kernels.Target) error {
		if target.Version == "1.0" {
			return kernels.ErrUnavailable
		}
		return nil
	}
	if res, err := f.run(t, t.Context()); err != nil || res.Summary[results.Miss] != 1 || f.begunGuests() != 1 {
		t.Fatalf("%v\n%s", err, summary(res))
	}
	f.spec.Resume, f.source.fetch = true, nil
	res, err := f.run(t, t.Context())
	want := "old-amd64 lifecycle PASS@ \nyoung-amd64 lifecycle PASS@"
	if n := f.begunGuests(); err != nil || summary(res) != want || n != 1 {
		t.Errorf("what missed its kernel: %d guests, %v\n%s", n, err, summary(res))
	}
	if err := os.Remove(filepath.Join(f.spec.Out, res.Records[1].Artifacts.Console)); err != nil {
		t.Fatal(err)
	}
	f.spec.Kernels = append(f.spec.Kernels, Selectors("debian:another")...)
	res, err = f.run(t, t.Context())
	want = "old-amd64 lifecycle PASS@ \nyoung-amd64 lifecycle PASS@ \nanother-amd64 lifecycle PASS@"
	if n := f.begunGuests(); err != nil || summary(res) != want || n != 2 {
		t.Errorf("a console that is gone, and another kernel: %d guests, %v\n%s", n, err, summary(res))
	}
	for _, rec := range res.Records {
		if !hasFiles(t, f.spec.Out, rec.Files()) || rec.Artifacts.Console == "" {
			t.Errorf("%s: artifacts %+v", rec.Target.Release, rec.Artifacts)
		}
	}
}

func TestAnUnfinishedRunIsNotReplacedInSilence(t *testing.T) {
	f, _, journal := tornFixture(t)
	if _, err := f.run(t, t.Context()); err != nil || strings.Contains(f.notices(), "unfinished") {
		t.Errorf("after a whole run: %v, notices %q", err, f.notices())
	}
	end := bytes.Index(journal, []byte(`{"finished":`))
	if err := os.WriteFile(filepath.Join(f.spec.Out, results.JournalName), journal[:end], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.run(t, t.Context()); err != nil || !strings.Contains(f.notices(), "unfinished run with 4 judged cells") {
		t.Errorf("after a killed one: %v, notices %q", err, f.notices())
	}
}

func TestTwoRunsDoNotShareAFolder(t *testing.T) {
	f, _, _ := tornFixture(t)
	out, _, err := openOutput(f.spec.Out)
	if err != nil {
		t.Fatal(err)
	}
	defer out.log.Close()
	before := snapshot(t, f.spec.Out)
	p, err := f.Plan(t.Context(), f.spec)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Run(t.Context(), p)
	if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), "another run is writing to it") {
		t.Errorf("error %v", err)
	}
	if snapshot(t, f.spec.Out) != before {
		t.Error("the folder was changed")
	}
}

func TestResumeAfterAnInterrupt(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.source.fetch = func(ctx context.Context, target kernels.Target) error {
		if target.Version == "1.0" {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	notify := f.notify
	f.notify = func(e results.Event) {
		notify(e)
		if e.Kind == results.EventRecord {
			cancel()
		}
	}
	if res, err := f.run(t, ctx); !errors.Is(err, context.Canceled) || res.Summary[results.Pass] != 1 {
		t.Fatalf("%v\n%s", err, summary(res))
	}
	f.notify, f.source.fetch, f.events, f.spec.Resume = notify, nil, nil, true
	res, err := f.run(t, t.Context())
	if n := f.begunGuests(); err != nil || res.ExitCode() != results.ExitPass || n != 1 {
		t.Errorf("%d guests, %v\n%s", n, err, summary(res))
	}
}
