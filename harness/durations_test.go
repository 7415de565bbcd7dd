package harness

import (
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// Half of a suite is not predicted by the whole of it, and a build is the same whatever is run afterwards.
func TestDurationsTellFocusApart(t *testing.T) {
	dir := t.TempDir()
	whole := &Plan{Module: results.Module{Name: "fifo"}}
	part := &Plan{Module: whole.Module, Spec: Spec{Focus: "one"}}
	suite, build := results.Cell{Target: "6.1", Suite: "more"}, results.Cell{Target: "6.1", Suite: ""}
	d := openDurations(dir)
	d.note(durationKey(whole, suite), time.Minute)
	d.note(durationKey(whole, build), time.Second)
	d.note(durationKey(part, suite), time.Millisecond)
	d.save()
	d = openDurations(dir)
	for _, c := range []struct {
		plan *Plan
		cell results.Cell
		want time.Duration
	}{{whole, suite, time.Minute}, {part, suite, time.Millisecond}, {part, build, time.Second}, {part, results.Cell{Target: "6.1", Suite: "other"}, unknown}} {
		if got := d.of(durationKey(c.plan, c.cell)); got != c.want {
			t.Errorf("%q: %v, want %v", durationKey(c.plan, c.cell), got, c.want)
		}
	}
}
