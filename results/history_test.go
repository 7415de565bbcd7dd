package results

import (
	"testing"
	"time"
)

// TestHistoryOfOneSecond: of runs that began within a second, the order is that of their beginnings, whatever they are called.
func TestHistoryOfOneSecond(t *testing.T) {
	h, err := OpenHistory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	began := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for i, id := range []string{"c", "b", "a"} {
		r := &Results{Schema: Schema, Run: Run{ID: id, Started: began.Add(time.Duration(i) * 40 * time.Millisecond)}, Module: Module{Name: "fifo"}}
		if err := h.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := h.Runs("fifo")
	if err != nil || len(runs) != 3 {
		t.Fatal(runs, err)
	}
	for i, want := range []string{"c", "b", "a"} {
		if r, err := h.Read(runs[i]); err != nil || r.Run.ID != want {
			t.Errorf("run %d is %+v, not %s: %v", i, r, want, err)
		}
	}
}
