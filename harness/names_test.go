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
