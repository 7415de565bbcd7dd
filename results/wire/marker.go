package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Bounds of names in a marker: a line of the kernel log holds less than 1 KiB (LOG_LINE_MAX, kernel/printk/printk.c).
const (
	maxMarkName  = 400
	maxMarkSuite = 120
)

// Mark is a boundary in the kernel log: the stage or spec of the lines behind it. The zero value is no mark.
type Mark struct {
	Suite string // of the round, the end of a long name left out; empty outside of rounds, and in one without a suite
	Stage string // empty for a spec
	Spec  int    // the number of the spec-start frame, from 1; zero for a stage
	Name  string // of the spec; the end of a long one is left out
	Done  bool   // it ends here; false: it begins
}

// MarkerHead begins every line of a run in the kernel log.
func MarkerHead(nonce string) string { return "modmatrix " + nonce + ": " }

// Marker is the line for /dev/kmsg that encodes m, without a line end.
func Marker(nonce string, m Mark) string {
	edge, suite := "begin", ""
	if m.Done {
		edge = "end"
	}
	if m.Suite != "" {
		suite = strconv.Quote(cut(line(m.Suite), maxMarkSuite)) + " "
	}
	if m.Spec == 0 {
		return fmt.Sprintf("modmatrix %s: %s%s %s", nonce, suite, m.Stage, edge)
	}
	return fmt.Sprintf("modmatrix %s: %sspec %d %s: %s", nonce, suite, m.Spec, edge, cut(line(m.Name), maxMarkName))
}

// ParseMarker finds the mark in a line of the console; false where there is none, or one of another nonce.
func ParseMarker(text, nonce string) (Mark, bool) {
	_, text, found := strings.Cut(Scrub(text), MarkerHead(nonce))
	if !found || nonce == "" {
		return Mark{}, false
	}
	text = strings.TrimRight(text, "\n\t ")
	suite := ""
	if quoted, err := strconv.QuotedPrefix(text); err == nil && quoted[0] == '"' {
		suite, _ = strconv.Unquote(quoted) // QuotedPrefix has checked it
		text = strings.TrimPrefix(text[len(quoted):], " ")
	}
	rest, isSpec := strings.CutPrefix(text, "spec ")
	if !isSpec {
		stage, edge, _ := strings.Cut(text, " ")
		return Mark{Suite: suite, Stage: stage, Done: edge == "end"}, stage != "" && (edge == "begin" || edge == "end")
	}
	number, rest, _ := strings.Cut(rest, " ")
	edge, name, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || edge != "begin" && edge != "end" {
		return Mark{}, false
	}
	return Mark{Suite: suite, Spec: n, Name: strings.TrimSpace(name), Done: edge == "end"}, true
}

// LoadMarker is the line for /dev/kmsg before (done false) and behind (done true) the load of one module, without a line end.
func LoadMarker(nonce, module string, done bool) string {
	edge := "begin"
	if done {
		edge = "end"
	}
	return fmt.Sprintf("modmatrix %s: loading %s %s", nonce, line(module), edge)
}

func cut(name string, limit int) string {
	name = strings.TrimSpace(name)
	return strings.TrimSpace(strings.ToValidUTF8(name[:min(len(name), limit)], ""))
}
