package results

import (
	"path/filepath"
	"testing"
	"time"
)

func checkedRun(id string, started time.Time, found ...Finding) *Results {
	r := &Results{Run: Run{ID: id, Started: started}, Module: Module{Name: "fifo"}, Records: []Record{{
		Target: Target{Release: "6.1.0", Version: "6.1.0"}, Suite: Checks, Status: Pass,
		Specs: []Spec{{Name: "sparse", Status: Pass, Findings: found}},
	}}}
	r.Finish()
	return r
}

// A finding whose line alone moved is no new one, and of two that are the same one was there before.
func TestFindingsThatTheLastRunDidNotHaveAreNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	h, err := OpenHistory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	at := func(where, message string) Finding {
		return Finding{Where: where, Level: LevelWarning, Kind: "type", Message: message}
	}
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first := checkedRun("a", began, at("fifo.c:3", "old"))
	if err := h.Recall(first); err != nil {
		t.Fatal(err)
	}
	if first.Records[0].Specs[0].Findings[0].New {
		t.Error("a finding of the first run is new")
	}
	if err := h.Add(first); err != nil {
		t.Fatal(err)
	}
	second := checkedRun("b", began.Add(time.Hour), at("fifo.c:9", "old"), at("fifo.c:12", "old"), at("fifo.c:20", "other"))
	if err := h.Recall(second); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, true} {
		if f := second.Records[0].Specs[0].Findings[i]; f.New != want {
			t.Errorf("%+v: new is not %v", f, want)
		}
	}
}

func TestALevelThatNobodyKnowsIsAnError(t *testing.T) {
	for _, tc := range []struct {
		level, least Level
		want         bool
	}{{LevelError, LevelWarning, true}, {LevelWarning, LevelWarning, true}, {LevelNote, LevelWarning, false}, {"odd", LevelError, true}} {
		if got := tc.level.Worse(tc.least); got != tc.want {
			t.Errorf("%s at least %s: %v", tc.level, tc.least, got)
		}
	}
}
