package main

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/modmatrix/modmatrix/harness/watch"
)

// await waits until a file that a program writes meanwhile has a line that fits: await FILE REGEXP
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	pattern := regexp.MustCompile("(?m)" + args[1])
	for range 600 {
		if data, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && pattern.Match(data) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	data, _ := os.ReadFile(ts.MkAbs(args[0]))
	ts.Fatalf("no %s in %s:\n%s", args[1], args[0], data)
}

// What is typed, as commands.
func TestKeysAreCommands(t *testing.T) {
	for typed, want := range map[string][]watch.Command{
		"q": {{Do: watch.DoQuit}}, "r": {{Do: watch.DoAll}}, "f": {{Do: watch.DoFailed}}, "x\x1b[A": nil,
		"2\n": {{Do: watch.DoFocus, Text: "2"}}, "12\n": {{Do: watch.DoFocus, Text: "12"}}, "/drains\n": {{Do: watch.DoFocus, Text: "drains"}},
		"/\n": {{Do: watch.DoFocus}}, "/ab\x7fc\n": {{Do: watch.DoFocus, Text: "ac"}}, "/ab\x15q\n": {{Do: watch.DoFocus, Text: "q"}}, "/q\x1bq": {{Do: watch.DoQuit}},
		"/\x7f\x7fa\n": {{Do: watch.DoFocus, Text: "a"}},
	} {
		a := typist{show: func(bool, string) {}}
		var got []watch.Command
		for _, c := range []byte(typed) {
			if command, ok := a.press(c); ok {
				got = append(got, command)
			}
		}
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("%q: %v, want %v", typed, got, want)
		}
	}
}
