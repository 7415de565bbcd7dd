package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/results"
)

// showExplanation writes e for a terminal of that width; zero: lines may be of any length.
func showExplanation(w io.Writer, e results.Explanation, width int) error {
	var out strings.Builder
	rec := e.Record
	line := func(label, text string) {
		if text = results.Plain(text); text != "" {
			fmt.Fprintf(&out, "  %-9s %s\n", label, indented(text, width-labelRoom))
		}
	}
	head := string(rec.Status)
	if rec.Stage != "" {
		head += " at " + string(rec.Stage)
	}
	if rec.Code != "" {
		head += " (" + string(rec.Code) + ")"
	}
	fmt.Fprintf(&out, "%s · %s: %s\n", results.Plain(e.Label), results.Plain(rec.Suite), results.Plain(head))
	line("because", e.Rule)
	line("reason", rec.Reason)
	showSpecs(line, rec.Specs)
	for i, s := range rec.Splats {
		if i == firstOfKind(rec.Splats, s) {
			showSplat(&out, line, s)
			showRepeats(line, rec.Splats[i+1:], s)
		}
	}
	showRest(line, rec)
	if e.Build != nil {
		showBuildFault(&out, line, e)
	}
	for _, f := range e.Look {
		line("look", f)
	}
	if e.InTree != nil {
		fmt.Fprintf(&out, "beside it, with the kernel's own %s, which decides nothing:\n", results.Plain(strings.Join(rec.InTreeRun.Modules, ", ")))
	}
	if _, err := io.WriteString(w, out.String()); err != nil || e.InTree == nil {
		return err
	}
	return showExplanation(w, *e.InTree, width)
}

// specsShown is how many specs are named of those that share a reason.
const specsShown = 3

// showSpecs tells of those that did not pass, and of what several say only once.
func showSpecs(line func(label, text string), specs []results.Spec) {
	specs = slices.DeleteFunc(slices.Clone(specs), func(s results.Spec) bool { return s.Status == results.Pass || s.Status == results.Skip })
	why := func(s results.Spec) string { return strings.TrimSpace(s.Location + " " + judge.Gist(s.Message)) }
	for len(specs) > 0 {
		first, n := specs[0], 1
		for n < len(specs) && specs[n].Status == first.Status && why(specs[n]) == why(first) && why(first) != "" {
			n++
		}
		shown := n
		if n > specsShown+1 {
			shown = specsShown - 1
		}
		line("spec", fmt.Sprintf("%s %q %s", first.Status, first.Name, why(first)))
		for _, s := range specs[1:shown] {
			line("spec", fmt.Sprintf("%s %q likewise", s.Status, s.Name))
		}
		if shown < n {
			line("spec", fmt.Sprintf("%s, and %d more likewise", first.Status, n-shown))
		}
		specs = specs[n:]
	}
}

// labelRoom is what the labels of an explanation take, with the blanks around them.
const labelRoom = 12

// indented breaks text into lines that fit behind the labels of an explanation; where there is no room to speak of, it does not.
func indented(text string, width int) string {
	if width < 2*labelRoom {
		return text
	}
	return results.Wrapped(text, width, labelRoom)
}

func showSplat(out io.Writer, line func(label, text string), s results.Splat) {
	text := s.Title
	if s.Where != "" {
		text += " at " + s.Where
	}
	if s.Spec != "" {
		text += fmt.Sprintf(" during %q", s.Spec)
	}
	line("fault", text)
	if s.Owner != "" {
		line("", "in code of: "+string(s.Owner))
	}
	for _, c := range s.Callers {
		line("", "called from "+c)
	}
	left := 0
	for l := range strings.Lines(s.Excerpt) {
		if text := results.Plain(l); untelling.MatchString(text) {
			left++
		} else {
			fmt.Fprintf(out, "    | %s\n", text)
		}
	}
	if left > 0 {
		fmt.Fprintf(out, "    | (%s of registers and guesses left out)\n", plural(left, "line"))
	}
}

// untelling matches lines of a report that a person skips: registers, machine code, frames that may be leftovers on the
// stack, and where in its own code the process was that called the kernel.
var untelling = regexp.MustCompile(`^(?:\? |(?:RSP|RAX|RDX|RBP|R10|R13|FS|CS|CR2|PKRU|Code|RIP: 0033|[RE]SP: 002b):)`)

// firstOfKind is the place of the first fault that is the same as s.
func firstOfKind(all []results.Splat, s results.Splat) int {
	return slices.IndexFunc(all, func(o results.Splat) bool { return sameFault(o, s) })
}

func sameFault(a, b results.Splat) bool {
	return a.Fingerprint == b.Fingerprint && a.Title == b.Title && a.Where == b.Where
}

// showRepeats tells how often a fault struck again, and during what.
func showRepeats(line func(label, text string), later []results.Splat, s results.Splat) {
	times, specs := 0, []string{}
	for _, o := range later {
		if !sameFault(o, s) {
			continue
		}
		times++
		if name := fmt.Sprintf("%q", o.Spec); o.Spec != "" && !slices.Contains(specs, name) {
			specs = append(specs, name)
		}
	}
	if times == 0 {
		return
	}
	text := "and " + plural(times, "time") + " more"
	if n := len(specs); n > 3 {
		specs = append(specs[:2], fmt.Sprintf("and %d more specs", n-2))
	}
	if len(specs) > 0 {
		text += ", during " + strings.Join(specs, ", ")
	}
	line("", text)
}

// showRest tells what decided nothing and may matter.
func showRest(line func(label, text string), rec results.Record) {
	if t := rec.Taint; t != nil && len(t.Delta) > 0 {
		line("taint", fmt.Sprintf("%s came in (%d before, %d after)", strings.Join(t.Delta, " "), t.Before, t.After))
	}
	for _, c := range rec.InTree {
		line("in tree", fmt.Sprintf("the kernel has its own %s %s; this one is %s", c.Module, c.Version, c.Ours))
	}
	for i, t := range rec.Tries {
		line("attempt", fmt.Sprintf("%d: %s %s %s", i+1, t.Status, t.Stage, t.Reason))
	}
	if rec.Kept != nil {
		line("kept", "judged in the run of "+rec.Kept.Started.UTC().Format("2006-01-02 15:04 UTC")+", and not run again")
	}
	if rec.Flaky {
		line("flaky", "it passed in another attempt")
	}
	for _, n := range rec.Notes {
		line("note", n)
	}
}

func showBuildFault(out io.Writer, line func(label, text string), e results.Explanation) {
	f := e.Build
	for i, l := range f.Shown {
		if i == 0 {
			line("error", l)
			continue
		}
		fmt.Fprintf(out, "            %s\n", plainIndented(l))
	}
	if f.Unknown != "" {
		line("headers", f.Unknown)
	}
	writeChanges(out, f.Changes, f.Good, e.Label)
	if len(f.Guard) > 0 {
		line("guard", "a suggestion, to be checked:")
	}
	for _, l := range f.Guard {
		fmt.Fprintf(out, "            %s\n", plainIndented(l))
	}
}

// plainIndented is results.Plain that keeps what a line is indented by.
func plainIndented(l string) string {
	l = strings.ReplaceAll(l, "\t", "    ")
	text := strings.TrimLeft(l, " ")
	return strings.Repeat(" ", min(len(l)-len(text), 40)) + results.Plain(text)
}
