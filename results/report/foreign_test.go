package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/modmatrix/modmatrix/results"
)

// foreign is what a stranger might say to a terminal or to a CI that reads along.
var foreign = []string{
	"\x1b[2J\x1b]52;c;cm0=\x07\x1b]8;;http://e\x07", "\u009b31m\x7f\x00\xff", "a\rb\nc", "\u202egnp.exe\u200b",
	"::error file=a::b", " ::stop-commands::x", "\n::set-output name=a::b", "##[error]x", "##vso[task.complete]", "##teamcity[x]",
}

// TestForeignTextIsDefused: whatever the events of a run carry, its lines can only be read.
func TestForeignTextIsDefused(t *testing.T) {
	for _, s := range foreign {
		rec := results.Record{Target: results.Target{Release: s}, Suite: s, Status: results.Fail, Code: results.Code(s), Reason: s}
		events := []results.Event{{Kind: results.EventNotice, Text: s}, {Kind: results.EventRecord, Target: s, Suite: s, Record: &rec},
			{Kind: results.EventSpec, Target: s, Suite: s, State: results.StateStart, Text: s}}
		for _, state := range []results.State{results.StateStart, results.StateProgress, results.StateDone, results.StateCached, results.StateFailed} {
			events = append(events, results.Event{Kind: results.EventStage, Target: s, Suite: s, Stage: results.Stage(s), State: state, Text: s, Elapsed: time.Second})
		}
		var lines, doc bytes.Buffer
		text, data := &Progress{Verbose: true}, json.NewEncoder(results.PlainJSON(&doc))
		live := NewBoard(time.Now())
		for _, e := range events {
			lines.WriteString(text.Add(e, time.Now()) + "\n")
			if err := data.Encode(e); err != nil {
				t.Fatal(err)
			}
			live.Add(e)
		}
		view := live.View(Frame{Width: 100, Height: 30, Now: time.Now()})
		for who, said := range map[string]string{"lines": lines.String(), "json": doc.String(), "view": view} {
			for _, r := range said {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Errorf("%s: %q came through of %q", who, r, s)
					break
				}
			}
		}
		for line := range strings.Lines(lines.String() + view) {
			if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") || strings.Contains(line, "##vso[") || strings.Contains(line, "##teamcity[") {
				t.Errorf("a CI would obey %q", line)
			}
		}
	}
}
