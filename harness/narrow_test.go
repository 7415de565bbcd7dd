package harness

import (
	"fmt"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// A plan is narrowed to kernels and suites, and is then no whole; one that would be empty stays.
func TestNarrow(t *testing.T) {
	f := newFixture(t, "")
	f.spec.Kernels = Selectors("debian:old", "debian:young", "debian:offline")
	for want, keep := range map[string]func(results.Cell) bool{
		"[{young-amd64 lifecycle}] true":                                                   func(c results.Cell) bool { return c.Target == "young-amd64" },
		"[{debian:offline lifecycle}] true":                                                func(c results.Cell) bool { return c.Target == "debian:offline" },
		"[{old-amd64 lifecycle} {young-amd64 lifecycle} {debian:offline lifecycle}] false": func(results.Cell) bool { return false },
	} {
		p, err := f.Plan(t.Context(), f.spec)
		if err != nil {
			t.Fatal(err)
		}
		narrowed := p.Narrow(keep)
		if got := fmt.Sprint(p.Cells(), narrowed); got != want || p.part != narrowed {
			t.Errorf("got %s (in part: %v), want %s", got, p.part, want)
		}
		p.Close()
	}
}
