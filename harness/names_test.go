package harness

import (
	"reflect"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
)

func TestEveryNameHasOneRow(t *testing.T) {
	target := func(source, release, sum string) kernels.Target {
		return kernels.Target{Source: source, Release: release, Packages: []kernels.Package{{Name: "x", SHA256: sum}}}
	}
	p := &Plan{
		Targets: []kernels.Target{target("debian:sid", "7.2.1", "a"), target("dir:/l", "6.12.0", "b")},
		Unresolved: []Unresolved{{Selector: "debian:all", Release: "7.1.0"}, {Selector: "debian:sid@7.1", Release: "7.1.0"},
			{Selector: "debian:trixie@7.2", Release: "7.2.1"}, {Selector: "host"}},
	}
	want := []Unresolved{{Selector: "debian:all", Release: "7.1.0"}, {Selector: "host"}}
	if got := p.stillUnresolved(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if notes := namesakes(append(p.Targets, target("debian:forky", "7.2.1", "a"))); len(notes) != 0 {
		t.Errorf("the same kernel of another suite: %q", notes)
	}
	notes := namesakes(append(p.Targets, target("dir:/m", "6.12.0", "c")))
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "dir:/m is another 6.12.0 than dir:/l and is left out") {
		t.Errorf("%q", notes)
	}
}

// marking is a source that knows other names.
type marking struct{ Source }

func (marking) Renamed(t kernels.Target) (kernels.Target, bool) {
	if strings.Contains(t.Release, "-t") {
		return t, false
	}
	t.Release += "-t" + t.Packages[0].SHA256
	return t, true
}

// TestDoublesAreRenamed: of two tarballs of one version each has a row, whatever came before.
func TestDoublesAreRenamed(t *testing.T) {
	target := func(source, release, sum string) kernels.Target {
		return kernels.Target{Source: source, Release: release, Version: "6.12.3", Packages: []kernels.Package{{Name: "linux", SHA256: sum}}}
	}
	targets := []kernels.Target{target("tar:/a", "6.12.3", "a"), target("tar:/b", "6.12.3", "b"), target("tar:/b2", "6.12.3", "b"),
		target("tar:/a2", "6.12.3", "a"), target("dir:/d", "6.12.3", "d")}
	sources := map[string]Source{"tar": marking{}, "dir": nil}
	notes := renameDoubles(targets, 0, sources)
	var labels []string
	for _, t := range targets {
		labels = append(labels, Label(t))
	}
	if got := strings.Join(labels, " "); got != "6.12.3 6.12.3-tb 6.12.3-tb 6.12.3 6.12.3" {
		t.Error(got)
	}
	if len(notes) != 2 || notes[0] != "tar:/b is another 6.12.3 than tar:/a, and is called 6.12.3-tb" {
		t.Errorf("%q", notes)
	}
	if again := renameDoubles(targets, 2, sources); len(again) != 0 {
		t.Errorf("again: %q", again)
	}
	if left := namesakes(targets); len(left) != 1 || !strings.HasPrefix(left[0], "dir:/d ") {
		t.Errorf("left out: %q", left)
	}
	if got := distinct(targets); len(got) != 2 {
		t.Errorf("%d rows: %v", len(got), got)
	}
}

// TestANoticeComesOnce: two selectors of one suite say the same of it.
func TestANoticeComesOnce(t *testing.T) {
	p := &Plan{Notices: []string{"first"}}
	for _, text := range []string{"debian:a", "debian:a@1"} {
		p.add(text, kernels.Resolution{Notices: []string{"a is old", text}})
	}
	if got := strings.Join(p.Notices, ", "); got != "first, a is old, debian:a, debian:a@1" {
		t.Error(got)
	}
}
