package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Step is the outcome of one kernel of a bisection in one line.
func Step(s results.Step) string {
	line := fmt.Sprintf("%-28s  %-10s  %s", results.Plain(s.Release), s.Outcome, Seconds(s.Elapsed))
	if s.ToGo > 0 {
		line += "  " + results.Plural(s.ToGo, "test") + " to go"
	}
	if s.Outcome != results.Good {
		line += "  " + results.Plain(s.Reason)
	}
	return line
}

// Bisection writes where a module, given by these words of a command line, first fails, and what changed there.
func Bisection(w io.Writer, b *results.Bisection, module ...string) error {
	var out strings.Builder
	title := strings.TrimSpace(b.Module.Name + " " + b.Module.Version)
	fmt.Fprintf(&out, "%s · %s tested\n\n", results.Plain(title), results.Plural(len(b.Steps), "kernel"))
	fmt.Fprintf(&out, "first bad  %s (last good %s)\n", results.Plain(b.Bad.Release), results.Plain(b.Good.Release))
	if n := len(b.Between); n > 0 {
		fmt.Fprintf(&out, "  but the first bad one may be older: between them, %s cannot be tested:\n", results.Plural(n, "release"))
		for _, line := range untestable(b.Between) {
			fmt.Fprintf(&out, "    %s\n", line)
		}
	}
	fmt.Fprintf(&out, "  %s    %s\n", b.Bad.Stage, results.Plain(b.Bad.Reason))
	writeChanges(&out, b.Changes, b.Good.Release, b.Bad.Release)
	if b.Bad.Results != "" {
		fmt.Fprintf(&out, "  see      %s\n", results.ShellLine("modmatrix", "explain", b.Bad.Release, "-o", b.Folder))
	}
	if b.Broke() {
		fmt.Fprintf(&out, "  again    %s\n", results.ShellLine(slices.Concat([]string{"modmatrix", "bisect"}, module, []string{"--good", b.Good.Selector, "--bad", b.Bad.Selector})...))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// untestable says why releases cannot be tested, those with one reason in one line.
func untestable(steps []results.Step) (lines []string) {
	why := func(s results.Step) string {
		reason := strings.ReplaceAll(s.Reason, s.Release, "it")
		if s.Missing != "" {
			reason, _, _ = strings.Cut(reason, ": ")
		}
		return reason
	}
	for _, same := range grouped(steps, why) {
		which := same[0].Release
		if len(same) > 1 {
			which += " … " + same[len(same)-1].Release
		}
		lines = append(lines, results.Plain(fmt.Sprintf("%s (%d): %s", which, len(same), why(same[0]))))
	}
	return lines
}

// writeChanges shows what two kernels declare of the names at fault; names that neither knows only where there is nothing else.
func writeChanges(w io.Writer, changes []results.Change, good, bad string) {
	unseen := func(c results.Change) bool { return c.What == results.DeclUnseen }
	if seen := slices.DeleteFunc(slices.Clone(changes), unseen); len(seen) > 0 {
		changes = seen
	}
	for _, c := range changes {
		if unseen(c) {
			fmt.Fprintf(w, "  %s: neither kernel declares it in a way that can be seen\n", results.Plain(c.Ident.String()))
			continue
		}
		fmt.Fprintf(w, "  %s is %s\n", results.Plain(c.Ident.String()), differs[c.What])
		older, newer := declared(c.Old), declared(c.New)
		if c.New == nil && c.Holds != nil {
			newer = c.Holds.Text + " has no such member  " + at(c.Holds)
		}
		fmt.Fprintf(w, "    %-24s %s\n    %-24s %s\n", results.Plain(good), results.Plain(older), results.Plain(bad), results.Plain(newer))
		if c.Ident.Hint != "" {
			fmt.Fprintf(w, "    the compiler asks whether %s was meant\n", results.Plain(c.Ident.Hint))
		}
	}
}

// differs are the ways in which two kernels differ in a name, as one says them of the second.
var differs = map[results.Difference]string{results.DeclAdded: "new", results.DeclRemoved: "gone", results.DeclChanged: "declared in another way",
	results.DeclMoved: "in another header", results.DeclSame: "declared as it was"}

func declared(d *results.Decl) string {
	if d == nil {
		return "not declared"
	}
	return d.Text + "  " + at(d)
}

func at(d *results.Decl) string {
	if d.Line == 0 {
		return "(" + d.File + ")"
	}
	return fmt.Sprintf("(%s:%d)", d.File, d.Line)
}
