package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

const labelRoom = 12

type explanation struct {
	strings.Builder
	width int
}

// Explain writes all for a terminal of that width (zero: any); suites of a kernel that ended at its one build only once.
func Explain(w io.Writer, all []results.Explanation, width int) error {
	out := explanation{width: width}
	for i := 0; i < len(all); {
		if i > 0 {
			out.WriteString("\n")
		}
		e, suites := all[i], []string{}
		for ; i < len(all) && (len(suites) == 0 || oneBuild(e, all[i])); i++ {
			suites = append(suites, all[i].Record.Suite)
		}
		e.Record.Suite = strings.Join(suites, ", ")
		out.explain(e)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// oneBuild says whether two cells ended at the same, of what all suites of a kernel share.
func oneBuild(a, b results.Explanation) bool {
	ra, rb := a.Record, b.Record
	return a.Label == b.Label && ra.Stage == rb.Stage && ra.Code == rb.Code && ra.Reason == rb.Reason && (ra.Stage == results.StageFetch || ra.Stage == results.StageBuild)
}

// line writes text behind a label, broken where it does not fit, unless there is no room to speak of.
func (out *explanation) line(label, text string) {
	room := out.width - labelRoom
	if room < 2*labelRoom {
		room = 0
	}
	if text = results.Plain(text); text != "" {
		fmt.Fprintf(out, "  %-9s %s\n", label, Wrap(text, room, labelRoom))
	}
}

func (out *explanation) explain(e results.Explanation) {
	rec := e.Record
	head := string(rec.Status)
	if rec.Stage != "" {
		head += " at " + string(rec.Stage)
	}
	if rec.Code != "" {
		head += " (" + string(rec.Code) + ")"
	}
	fmt.Fprintf(out, "%s · %s: %s\n", results.Plain(e.Label), results.Plain(rec.Suite), results.Plain(head))
	out.line("because", e.Rule)
	out.line("reason", rec.Reason)
	out.specs(rec.Specs)
	for i, s := range rec.Splats {
		if i == slices.IndexFunc(rec.Splats, func(o results.Splat) bool { return sameFault(o, s) }) {
			out.splat(s)
			out.repeats(rec.Splats[i+1:], s)
		}
	}
	out.hardware(rec)
	out.rest(rec)
	if e.Build != nil {
		out.buildFault(e.Build, e.Label)
	}
	for _, f := range e.Look {
		out.line("look", f)
	}
	if e.InTree != nil {
		fmt.Fprintf(out, "beside it, with the kernel's own %s, which decides nothing:\n", results.Plain(strings.Join(rec.InTreeRun.Modules, ", ")))
		out.explain(*e.InTree)
	}
}

const specsShown = 3

// specs names those that did not pass, and says only once what several have in common.
func (out *explanation) specs(specs []results.Spec) {
	specs = slices.DeleteFunc(slices.Clone(specs), func(s results.Spec) bool { return s.Status == results.Pass || s.Status == results.Skip })
	why := func(s results.Spec) string {
		return strings.TrimSpace(s.Location + " " + results.Headline(s.Message))
	}
	for len(specs) > 0 {
		first, n := specs[0], 1
		for n < len(specs) && specs[n].Status == first.Status && why(specs[n]) == why(first) && why(first) != "" {
			n++
		}
		shown := n
		if n > specsShown+1 {
			shown = specsShown - 1
		}
		out.line("spec", fmt.Sprintf("%s %q %s", first.Status, first.Name, why(first)))
		for _, s := range specs[1:shown] {
			out.line("spec", fmt.Sprintf("%s %q likewise", s.Status, s.Name))
		}
		if shown < n {
			out.line("spec", fmt.Sprintf("%s, and %d more likewise", first.Status, n-shown))
		}
		specs = specs[n:]
	}
}

func (out *explanation) splat(s results.Splat) {
	text := s.Title
	if s.Where != "" {
		text += " at " + s.Where
	}
	if s.Spec != "" {
		text += fmt.Sprintf(" during %q", s.Spec)
	}
	out.line("fault", text)
	if s.Owner != "" {
		out.line("", "in code of: "+string(s.Owner))
	}
	for _, c := range s.Callers {
		out.line("", "called from "+c)
	}
	left := 0
	for l := range strings.Lines(s.Excerpt) {
		if text := results.Plain(l); unimportant.MatchString(text) {
			left++
		} else {
			fmt.Fprintf(out, "    | %s\n", text)
		}
	}
	if left > 0 {
		fmt.Fprintf(out, "    | (%s of registers and guesses left out)\n", results.Plural(left, "line"))
	}
}

// unimportant matches lines of a report that a person skips: registers, machine code, frames that may be leftovers on the
// stack, and where in its own code the process was that called the kernel.
var unimportant = regexp.MustCompile(`^(?:\? |(?:RSP|RAX|RDX|RBP|R10|R13|FS|CS|CR2|PKRU|Code|RIP: 0033|[RE]SP: 002b):)`)

func sameFault(a, b results.Splat) bool {
	return a.Fingerprint == b.Fingerprint && a.Title == b.Title && a.Where == b.Where
}

func (out *explanation) repeats(later []results.Splat, s results.Splat) {
	later = slices.DeleteFunc(slices.Clone(later), func(o results.Splat) bool { return !sameFault(o, s) })
	if len(later) == 0 {
		return
	}
	var specs []string
	for _, o := range later {
		if name := fmt.Sprintf("%q", o.Spec); o.Spec != "" && !slices.Contains(specs, name) {
			specs = append(specs, name)
		}
	}
	text := "and " + results.Plural(len(later), "time") + " more"
	if n := len(specs); n > 3 {
		specs = append(specs[:2], fmt.Sprintf("and %d more specs", n-2))
	}
	if len(specs) > 0 {
		text += ", during " + strings.Join(specs, ", ")
	}
	out.line("", text)
}

// rest shows what decided nothing and may matter.
func (out *explanation) rest(rec results.Record) {
	if t := rec.Taint; t != nil && len(t.Delta) > 0 {
		out.line("taint", fmt.Sprintf("%s came in (%d before, %d after)", strings.Join(t.Delta, " "), t.Before, t.After))
	}
	for _, p := range rec.Predicted {
		out.line("prebuilt", p.Line())
		for _, b := range p.Breaks {
			out.line("", b.String())
		}
	}
	for _, c := range rec.InTree {
		out.line("in tree", fmt.Sprintf("the kernel has its own %s %s; this one is %s", c.Module, c.Version, c.Ours))
	}
	for i, t := range rec.Tries {
		out.line("attempt", fmt.Sprintf("%d: %s %s %s", i+1, t.Status, t.Stage, t.Reason))
	}
	if rec.Kept != nil {
		out.line("kept", judgedBefore(rec.Kept))
	}
	if rec.Flaky {
		out.line("flaky", "it passed in another attempt")
	}
	for _, n := range rec.Notes {
		out.line("note", n)
	}
}

func (out *explanation) buildFault(f *results.BuildFault, label string) {
	for i, l := range f.Shown {
		if i == 0 {
			out.line("error", l)
		} else {
			out.source(l)
		}
	}
	out.line("headers", f.Unknown)
	writeChanges(out, f.Changes, f.Good, label)
	if len(f.Guard) > 0 {
		out.line("guard", "a suggestion, to be checked:")
	}
	for _, l := range f.Guard {
		out.source(l)
	}
}

func (out *explanation) source(l string) {
	l = strings.ReplaceAll(l, "\t", "    ")
	text := strings.TrimLeft(l, " ")
	fmt.Fprintf(out, "%*s%s\n", labelRoom+min(len(l)-len(text), 40), "", results.Plain(text))
}
