package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

func TestFocusIsWhatWasTyped(t *testing.T) {
	rows := []string{"6.1", "6.12"}
	for typed, want := range map[string]string{"1": "6.1", "2": "6.12", "0": "", "": "", " 2 ": "6.12", "drains": "/drains/", "3": "!", "-1": "!", "a(": "!"} {
		var w wanted
		err := w.focusOn(typed, rows)
		if got := w.String(); (err != nil) != (want == "!") || err == nil && got != want {
			t.Errorf("%q: %s, %v, want %s", typed, got, err, want)
		}
	}
	w := wanted{failed: true}
	for _, typed := range []string{"2", "drains", "x("} { // a mistake changes nothing
		_ = w.focusOn(typed, rows)
	}
	if got := w.String(); got != "what failed, 6.12, /drains/" {
		t.Error(got)
	}
	if _ = w.focusOn("0", rows); w.String() != "what failed" {
		t.Error(w)
	}
}

// A change of the verdict is reported as soon as it is certain, once, and not for the first one.
func TestVerdictsThatChange(t *testing.T) {
	var said []string
	h := heard{status: map[results.Cell]results.Status{}, verdict: func(c Change) {
		said = append(said, fmt.Sprintf("%d %s-%s %s", c.Round, c.Was, c.Now, c.First.Reason))
	}}
	record := func(target string, s results.Status, reason string) {
		h.event(results.Event{Kind: results.EventRecord, Target: target, Suite: "x", Record: &results.Record{Status: s, Reason: reason}})
	}
	round := func(n int, end results.Status, judge func()) {
		h.begin(n, "out")
		judge()
		if end != "" {
			h.over(end)
		}
	}
	round(1, results.Pass, func() { record("6.1", results.Pass, ""); record("6.12", results.Pass, "") })
	round(2, results.Fail, func() {
		record("6.1", results.Error, "e")
		record("6.12", results.Fail, "b")
		record("6.1", results.Fail, "c")
	})
	round(3, "", func() { record("6.12", results.Miss, "dropped") })
	if keep := h.failed(); !keep(results.Cell{Target: "6.12", Suite: "x"}) || keep(results.Cell{Target: "6.12", Suite: "y"}) {
		t.Error("what was dropped is not what it was before")
	}
	round(4, results.Fail, func() { record("6.12", results.Fail, "b") })
	round(5, results.Pass, func() { record("6.12", results.Pass, ""); record("6.1", results.Pass, "") })
	if keep := h.failed(); !keep(results.Cell{Target: "any"}) {
		t.Error("nothing failed, and not all is kept")
	}
	if want := []string{"2 PASS-FAIL b", "5 FAIL-PASS "}; !slices.Equal(said, want) {
		t.Errorf("%q, want %q", said, want)
	}
}

// A command has the user's shell, what is added to the environment, and an end.
func TestShellCarriesOutACommand(t *testing.T) {
	t.Setenv("SHELL", "/bin/sh")
	lines, err := Shell(t.Context(), `echo "$A"; printf 'two\033[2J\n' >&2; seq 100; exit 3`, "A=one two")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || len(lines) != maxLines || lines[0] != "one two" || lines[1] != `two\x1b[2J` {
		t.Errorf("%q, %v", lines, err)
	}
}
