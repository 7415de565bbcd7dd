package judge

import (
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/console"
)

func TestOwner(t *testing.T) {
	modules := []string{"fifo", "my_helper"}
	tests := []struct {
		splat console.Splat
		want  results.Owner
	}{
		{console.Splat{}, ""},
		{console.Splat{Function: "vfs_read"}, results.OwnerCore},
		{console.Splat{Function: "fifo_read", Module: "fifo"}, results.OwnerModule},
		{console.Splat{Function: "help", Module: "my_helper"}, results.OwnerModule},
		{console.Splat{Function: "help", Module: "ext4"}, results.OwnerOther},
		{console.Splat{Gone: "my_helper"}, results.OwnerModule},
		{console.Splat{Function: "call_timer_fn", Gone: "fifo"}, results.OwnerModule},
		{console.Splat{Function: "call_timer_fn", Gone: "ext4"}, results.OwnerOther},
	}
	for _, tt := range tests {
		if got := OwnerOf(tt.splat, modules); got != tt.want {
			t.Errorf("owner of %s [%s] = %q, want %q", tt.splat.Function, tt.splat.Module, got, tt.want)
		}
	}
}

func TestExpected(t *testing.T) {
	warn := func(spec, title string) Splat {
		return Splat{Splat: console.Splat{Title: title, Severity: console.Warn, Kind: console.KindWarn}, Stage: results.StageTest, Spec: spec}
	}
	splats := []Splat{warn("a", "WARNING in fifo_push"), warn("a", "WARNING in fifo_push"), warn("b", "WARNING in fifo_push"), warn("a", "WARNING in fifo_pop")}
	left := matchExpected(splats, []Expectation{{"a", "fifo_push$", 1}, {"b", "fifo_push", 2}, {"c", "(", 1}})
	marks := ""
	for _, s := range splats {
		if s.Expected {
			marks += "x"
		} else {
			marks += "-"
		}
	}
	if marks != "x-x-" {
		t.Errorf("expected are %s, want x-x-", marks)
	}
	if len(left) != 2 || left[0] != (Expectation{"b", "fifo_push", 1}) || left[1].Spec != "c" {
		t.Errorf("unmet are %+v", left)
	}
}

// TestTimeline holds that a splat is put where it struck, that of several rounds each sees its own, and that a log whose
// markers were lost is held against the module as a whole.
func TestTimeline(t *testing.T) {
	mark := func(m wire.Mark) string { return "[    1.000000] " + wire.Marker("n", m) + "\n" }
	load := func(suite string) string { return mark(wire.Mark{Suite: suite, Stage: wire.StageLoad}) }
	test := func(suite string) string { return mark(wire.Mark{Suite: suite, Stage: wire.StageTest}) }
	tests := []struct {
		name, suite, log string // the place in question is the X
		before           string
		stage            results.Stage
		spec             string
		ours             bool
	}{
		{"boot", "a", "X\n" + load("a"), "", results.StageBoot, "", true},
		{"load", "a", load("a") + "X\n" + test("a"), "", results.StageLoad, "", true},
		{"spec", "a", load("a") + test("a") + mark(wire.Mark{Suite: "a", Spec: 1, Name: "cut"}) + "X\n", "", results.StageTest, "the whole name", true},
		{"between specs", "a", load("a") + test("a") + mark(wire.Mark{Suite: "a", Spec: 1, Done: true}) + "X\n", "", results.StageTest, "", true},
		{"another round", "a", load("a") + load("b") + "X\n", "", results.StageLoad, "", false},
		{"own round after another", "b", load("a") + load("b") + "X\n", "", results.StageLoad, "", true},
		{"after the last round", "b", load("a") + load("b") + mark(wire.Mark{Stage: wire.StageShutdown}) + "X\n", "", results.StageShutdown, "", true},
		{"no markers", "a", "X\n", "", results.StageLoad, "", true},
		{"no markers, before the payload", "a", "X\nthawed\n", "X\n", results.StageBoot, "", true},
		{"another's nonce", "a", strings.ReplaceAll(load("a"), "modmatrix n:", "modmatrix m:") + "X\n", "", results.StageLoad, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := NewGuest("n")
			g.Started = []string{"the whole name"}
			g.Began[results.StageLoad] = 1
			line := readMarkers([]byte(tt.log), g, tt.suite)
			line.trust(len(tt.before), g)
			at := line.at(strings.Index(tt.log, "X"))
			if at.stage != tt.stage || at.spec != tt.spec || at.ours != tt.ours {
				t.Errorf("at %s %q ours=%v, want %s %q ours=%v", at.stage, at.spec, at.ours, tt.stage, tt.spec, tt.ours)
			}
		})
	}
}

// TestExcusedTaint holds that an expected fault excuses the bit that it sets, and no other.
func TestExcusedTaint(t *testing.T) {
	evidence := func(after uint64) Evidence {
		g := NewGuest("n")
		g.Taints[results.StageBoot], g.Taints[results.StageTest] = 0, after
		return Evidence{Guest: g, Splats: []Splat{{Splat: console.Splat{Kind: console.KindWarn}, Stage: results.StageTest, Expected: true}}}
	}
	if v, bad := badTaint(evidence(1 << 9)); bad {
		t.Errorf("the bit of an expected warning is held against the module: %+v", v)
	}
	if _, bad := badTaint(evidence(1<<9 | 1<<7)); !bad {
		t.Error("a warning excuses that the kernel died")
	}
}

func TestFailedProbes(t *testing.T) {
	log := "[    1.0] edu: probe of 0000:00:02.0 failed with error -5\r\n[    1.1] edu 0000:00:02.0: probe with driver edu failed with error -12\n" +
		"[    1.2] say: probe of hearts failed with error 5\n[    1.3] a: edu: probe of x failed with error -5\nedu: probe of x failed with error -5\n"
	got := failedProbes([]byte(log))
	if len(got) != 2 || got[0].text != "edu: probe of 0000:00:02.0 failed with error -5" || got[0].start != 0 ||
		got[1].text != "edu 0000:00:02.0: probe with driver edu failed with error -12" || log[got[1].start:][:12] != "[    1.1] ed" {
		t.Errorf("%+v", got)
	}
}
