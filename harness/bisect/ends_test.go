package bisect

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
)

// The ends of the last run are believed, and need no test; where the source is another by now, they are not.
func TestBisectFromTheLastRun(t *testing.T) {
	f := bisecting(t, 17)
	f.spec.Kernels = selectors("debian:x@1.3", "debian:x@1.14", "debian:x@1.20", "debian:x@1.30")
	f.run(t)
	found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec})
	if err != nil {
		t.Fatal(err)
	}
	if found.Good.Version != "1.16" || found.Bad.Version != "1.17" || len(found.Steps) > 3 {
		t.Errorf("%d tests: %+v", len(found.Steps), found)
	}
	f.spec.Make = append(f.spec.Make, "X=1")
	res, _ := results.Read(filepath.Join(f.spec.Out, results.FileName))
	res.Module.SourceDigest = "sha256:other"
	folder, err := results.OpenFolder(f.spec.Out)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := res.Write(folder); err != nil {
		t.Fatal(err)
	}
	f.events = nil
	found, err = Find(t.Context(), f.Harness, Search{Spec: f.spec})
	if err != nil || found.Bad.Version != "1.17" || len(found.Steps) < 5 {
		t.Errorf("%+v, %v", found, err)
	}
	if !strings.Contains(f.notices(), "another state") {
		t.Error("nobody said why the last run was not used")
	}
}

func TestEndsThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		broken    int
		good, bad string
		usage     bool
		nothing   bool
		says      string
	}{
		"works everywhere": {broken: 99, nothing: true, says: "works on both 1.0-amd64 and 1.40-amd64"},
		"fails everywhere": {broken: 0, nothing: true, says: "fails on both 1.0-amd64 (at build: fifo.c:1"},
		"the wrong way":    {broken: 17, good: "debian:x@1.20", bad: "debian:x@1.3", usage: true, says: "not older"},
		"one kernel":       {broken: 17, good: "debian:x@1.3", bad: "debian:x@1.3", usage: true, says: "not older"},
		"no such kernel":   {broken: 17, good: "debian:x@1.77", nothing: true, says: "1.77"},
		"not an archive":   {broken: 17, good: "dir:/x", usage: true, says: "unknown source"},
	} {
		t.Run(name, func(t *testing.T) {
			f := bisecting(t, c.broken)
			found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec, Good: selector(c.good), Bad: selector(c.bad)})
			var usage *harness.UsageError
			if err == nil || errors.As(err, &usage) != c.usage || errors.Is(err, harness.ErrNothingMatched) != c.nothing || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

func TestEndsIn(t *testing.T) {
	suites := []harness.Suite{{Name: "a"}, {Name: "b"}}
	rec := func(version, suite string, s results.Status) results.Record {
		return results.Record{Target: results.Target{Release: version, Version: version, Source: "debian:x"}, Suite: suite, Status: s, Stage: results.StageTest}
	}
	for name, c := range map[string]struct {
		records []results.Record
		want    string
	}{
		"plain":            {[]results.Record{rec("1", "a", "PASS"), rec("2", "a", "PASS"), rec("3", "a", "FAIL"), rec("4", "a", "FAIL")}, "2 3"},
		"too old":          {[]results.Record{rec("1", "a", "FAIL"), rec("2", "a", "PASS"), rec("3", "a", "FAIL")}, "2 3"},
		"trouble between":  {[]results.Record{rec("1", "a", "PASS"), rec("2", "a", "ERROR"), rec("3", "a", "FAIL")}, "1 3"},
		"one of two":       {[]results.Record{rec("1", "a", "PASS"), rec("1", "b", "PASS"), rec("2", "a", "PASS"), rec("2", "b", "FAIL")}, "1 2"},
		"half a pass":      {[]results.Record{rec("1", "a", "PASS"), rec("1", "b", "SKIP"), rec("2", "a", "FAIL")}, ""},
		"another suite":    {[]results.Record{rec("1", "c", "PASS"), rec("2", "c", "FAIL")}, ""},
		"all green":        {[]results.Record{rec("1", "a", "PASS")}, ""},
		"only new is good": {[]results.Record{rec("1", "a", "FAIL"), rec("2", "a", "PASS")}, ""},
	} {
		good, bad, ok := endsIn(c.records, suites)
		if got := strings.TrimSpace(good.Release + " " + bad.Release); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: got %q %v; want %q", name, got, ok, c.want)
		}
	}
}

// One line and the right kind of error, whatever the results of the last run.
func TestBisectFromAMatrixWithoutEnds(t *testing.T) {
	for name, c := range map[string]struct {
		breaks  func(i int) bool
		fetch   int // a kernel that cannot be had
		usage   bool
		is      error
		says    string
		between string
	}{
		"all green":                {breaks: func(int) bool { return false }, is: harness.ErrNothingMatched, says: "works on both 1.3-amd64 and 1.30-amd64"},
		"all red":                  {breaks: func(int) bool { return true }, is: harness.ErrNothingMatched, says: "fails on both 1.3-amd64"},
		"mended, not broken":       {breaks: func(i int) bool { return i < 17 }, usage: true, says: "fails on 1.3-amd64 and works on 1.30-amd64"},
		"the newest is not there":  {breaks: func(i int) bool { return i < 17 }, fetch: 30, is: ErrUntestable, says: "1.30-amd64 is no end to bisect from"},
		"red, green, and red":      {breaks: func(i int) bool { return i < 5 || i > 22 }, between: "1.22 1.23"},
		"green, red, green again":  {breaks: func(i int) bool { return i > 10 && i < 17 }, between: "1.10 1.11"},
		"the green end comes last": {breaks: func(i int) bool { return i == 14 }, between: "1.13 1.14"},
	} {
		t.Run(name, func(t *testing.T) {
			f := bisecting(t, 99)
			f.breaks = c.breaks
			f.fetch = func(target kernels.Target) error {
				if c.fetch > 0 && target.Version == fmt.Sprintf("1.%d", c.fetch) {
					return kernels.ErrUnavailable
				}
				return nil
			}
			f.spec.Kernels = selectors("debian:x@1.3", "debian:x@1.14", "debian:x@1.30")
			f.run(t)
			found, err := Find(t.Context(), f.Harness, Search{Spec: f.spec})
			if c.between != "" {
				if err != nil || found.Good.Version+" "+found.Bad.Version != c.between {
					t.Errorf("%+v, %v; want %s", found, err, c.between)
				}
				return
			}
			var usage *harness.UsageError
			if err == nil || errors.As(err, &usage) != c.usage || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; want %s", err, c.says)
			}
		})
	}
}

func TestEndsOf(t *testing.T) {
	target := func(name string) kernels.Target {
		version, flavour, _ := strings.Cut(name, "-")
		return kernels.Target{Release: name, Version: version, Flavour: flavour}
	}
	list := func(names string) (all []kernels.Target) {
		for _, name := range strings.Fields(names) {
			all = append(all, target(name))
		}
		return all
	}
	const everything = "1-amd64 1-cloud 2-amd64 2-cloud 2-rt"
	for _, c := range []struct {
		olds, news string
		byNewest   bool
		want       string
	}{
		{everything, everything, false, "1-amd64 2-amd64"},
		{"1-cloud", everything, false, "1-cloud 2-cloud"},
		{everything, "2-cloud", true, "1-cloud 2-cloud"},
		{everything, "2-rt", true, "2-rt 2-rt"}, // which is then no pair
		{"1-amd64", "2-rt", false, "1-amd64 2-rt"},
	} {
		oldest, newest := endsOf(list(c.olds), list(c.news), c.byNewest)
		if got := oldest.Release + " " + newest.Release; got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.olds, c.news, got, c.want)
		}
	}
}
