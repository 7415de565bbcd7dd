package wire

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxMarkName bounds a spec's name in a marker: a line of the kernel log holds less than 1 KiB
// (LOG_LINE_MAX, kernel/printk/printk.c).
const maxMarkName = 400

// Mark is a boundary that the guest draws in the kernel log, so that the host knows what was going on when a line of it
// was written. The zero value is no mark.
type Mark struct {
	Stage string // the stage that begins or ends; empty for a spec
	Spec  int    // the number of the spec-start frame, from 1; zero for a stage
	Name  string // of the spec; the end of a long one is left out
	Done  bool   // it ends here, rather than begins
}

// Marker is the line for /dev/kmsg that stands for m, without a line end.
func Marker(nonce string, m Mark) string {
	edge := "begin"
	if m.Done {
		edge = "end"
	}
	if m.Spec == 0 {
		return fmt.Sprintf("modmatrix %s: %s %s", nonce, m.Stage, edge)
	}
	return fmt.Sprintf("modmatrix %s: spec %d %s: %s", nonce, m.Spec, edge, markName(m.Name))
}

// ParseMarker finds the mark in a line of the console, behind whatever the kernel puts in front of it.
// It returns false for a line without one, and for marks of another nonce.
func ParseMarker(text, nonce string) (Mark, bool) {
	_, text, found := strings.Cut(scrub(text), "modmatrix "+nonce+": ")
	if !found || nonce == "" {
		return Mark{}, false
	}
	text = strings.TrimRight(text, "\n\t ")
	rest, isSpec := strings.CutPrefix(text, "spec ")
	if !isSpec {
		stage, edge, _ := strings.Cut(text, " ")
		return Mark{Stage: stage, Done: edge == "end"}, stage != "" && (edge == "begin" || edge == "end")
	}
	number, rest, _ := strings.Cut(rest, " ")
	edge, name, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || edge != "begin" && edge != "end" {
		return Mark{}, false
	}
	return Mark{Spec: n, Name: strings.TrimSpace(name), Done: edge == "end"}, true
}

// markName makes a name fit for a marker: one line, not too long.
func markName(name string) string {
	name = strings.TrimSpace(line(name))
	if len(name) > maxMarkName {
		name = name[:maxMarkName]
		for !utf8.ValidString(name) {
			name = name[:len(name)-1]
		}
	}
	return strings.TrimSpace(name)
}
