package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/bisect"
	"github.com/modmatrix/modmatrix/results"
)

func bisectCommand(a *app) *cobra.Command {
	var s specFlags
	var good, bad string
	cmd := &cobra.Command{
		Use:   "bisect [MODULE]",
		Short: "Find the first release on which the module fails",
		Long: `Bisect halves the releases that the archive still holds between a kernel on which the module works and a newer one on
which it does not, until nothing is left between them. Where it fails to build, nothing is booted.

The ends are those of the last run in the folder of results: the oldest kernel that failed, and the newest before it
that passed. Else they are --good and --bad, and where one is not given, the oldest and the newest of the kernels that run
would take (-k names others). Releases of which the archive holds only a part cannot be tested: where they lie just at the turn, the answer
is a range.

Exit codes: 0 found, or as near as the archive allows; 2 usage, as where --good fails; 3 the infrastructure broke on a
release that would have narrowed it down; 4 nothing fails, or everything; 125 an end cannot be tested, which git bisect run takes
for "skip"; 130 interrupted. The results of every kernel that was tested lie below bisect/ in the folder of results.`,
		Example: `  modmatrix bisect
  modmatrix bisect --good debian:bookworm --bad debian:trixie drv
  modmatrix bisect -k debian:all          # between the oldest and the newest that there is`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := s.spec(cmd, args)
			if err != nil {
				return err
			}
			return a.bisect(cmd.Context(), bisect.Search{Spec: spec, Good: good, Bad: bad})
		},
	}
	f := cmd.Flags()
	f.StringVar(&good, "good", "", "`SELECTOR` of a kernel on which the module works")
	f.StringVar(&bad, "bad", "", "`SELECTOR` of a newer one on which it does not")
	s.whichKernels(cmd)
	s.whichSuites(cmd)
	s.whatToRun(cmd)
	s.output(cmd)
	return cmd
}

func (a *app) bisect(ctx context.Context, search bisect.Search) error {
	w := a.watchQuietly()
	defer w.close()
	if !a.quiet {
		search.Report = func(s results.Step) { fmt.Fprintln(a.Stderr, stepLine(s)) }
	}
	h, err := a.open(harness.Options{Events: w.event, Tool: toolName()})
	if err != nil {
		return err
	}
	found, err := h.Bisect(ctx, search)
	w.close()
	if err != nil {
		return err
	}
	if a.json {
		err = json.NewEncoder(results.PlainJSON(a.Stdout)).Encode(found)
	} else {
		err = showBisection(a.Stdout, found, search.Spec.Module)
	}
	if err != nil {
		return fmt.Errorf("show what was found: %w", err)
	}
	if found.Broke() {
		return verdict(exitTrouble)
	}
	return nil
}

// watchQuietly tells of what takes long, and of notices: each kernel gets its line when it is through.
func (a *app) watchQuietly() watcher {
	switch {
	case a.quiet:
		return silence{}
	case a.verbose:
		return newTextLines(a.Stderr, true)
	}
	return longOnly{newTextLines(a.Stderr, false), map[string]bool{}}
}

// longOnly is textLines without what goes as it should, and with each notice once: every kernel is a run of its own.
type longOnly struct {
	*textLines
	told map[string]bool
}

func (l longOnly) event(e results.Event) {
	if e.Kind == results.EventNotice {
		if !l.told[e.Text] {
			l.told[e.Text] = true
			l.textLines.event(e)
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(e, time.Now())
}

// stepLine says what came of one kernel.
func stepLine(s results.Step) string {
	line := fmt.Sprintf("%-28s  %-10s  %s", results.Plain(s.Release), s.Outcome, results.Seconds(s.Elapsed))
	if s.ToGo > 0 {
		line += fmt.Sprintf("  %s to go", plural(s.ToGo, "test"))
	}
	if s.Outcome != results.Good {
		line += "  " + results.Plain(s.Reason)
	}
	return line
}

func showBisection(w io.Writer, b *results.Bisection, module string) error {
	var out strings.Builder
	title := strings.TrimSpace(b.Module.Name + " " + b.Module.Version)
	fmt.Fprintf(&out, "%s · %s tested\n\n", results.Plain(title), plural(len(b.Steps), "kernel"))
	fmt.Fprintf(&out, "first bad  %s (last good %s)\n", results.Plain(b.Bad.Release), results.Plain(b.Good.Release))
	if n := len(b.Between); n > 0 {
		fmt.Fprintf(&out, "  but the first bad one may be older: between them, %s cannot be tested:\n", plural(n, "release"))
		for _, line := range grouped(b.Between) {
			fmt.Fprintf(&out, "    %s\n", line)
		}
	}
	fmt.Fprintf(&out, "  %s    %s\n", b.Bad.Stage, results.Plain(b.Bad.Reason))
	writeChanges(&out, b.Changes, b.Good.Release, b.Bad.Release)
	if b.Bad.Results != "" {
		fmt.Fprintf(&out, "  see      %s\n", results.ShellLine("modmatrix", "explain", b.Bad.Release, "-o", b.Folder))
	}
	if b.Broke() {
		fmt.Fprintf(&out, "  again    %s\n", results.ShellLine("modmatrix", "bisect", module, "--good", b.Good.Selector, "--bad", b.Bad.Selector))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// grouped says why releases cannot be tested, those with one reason in one line.
func grouped(steps []results.Step) []string {
	var lines []string
	var reasons []string
	names := map[string][]string{}
	for _, s := range steps {
		reason := strings.ReplaceAll(s.Reason, s.Release, "it")
		if i := strings.Index(reason, ": "); s.Missing != "" && i >= 0 {
			reason = reason[:i]
		}
		if names[reason] == nil {
			reasons = append(reasons, reason)
		}
		names[reason] = append(names[reason], s.Release)
	}
	for _, reason := range reasons {
		n := names[reason]
		which := n[0]
		if len(n) > 1 {
			which += " … " + n[len(n)-1]
		}
		lines = append(lines, results.Plain(fmt.Sprintf("%s (%d): %s", which, len(n), reason)))
	}
	return lines
}

// writeChanges shows what two kernels declare of the names at fault. Names that neither knows are shown where there is nothing
// else: they come from a package's own probes.
func writeChanges(w io.Writer, changes []results.Change, good, bad string) {
	seen := slices.ContainsFunc(changes, func(c results.Change) bool { return c.What != results.DeclUnseen })
	for _, c := range changes {
		if !seen || c.What != results.DeclUnseen {
			writeChange(w, c, good, bad)
		}
	}
}

// writeChange shows what two kernels declare of one name.
func writeChange(w io.Writer, c results.Change, good, bad string) {
	if c.What == results.DeclUnseen {
		fmt.Fprintf(w, "  %s: neither kernel declares it in a way that can be seen\n", results.Plain(c.Ident.String()))
		return
	}
	fmt.Fprintf(w, "  %s is %s\n", results.Plain(c.Ident.String()), differs[c.What])
	for _, side := range []struct {
		release string
		decl    *results.Decl
	}{{good, c.Old}, {bad, c.New}} {
		text := "not declared"
		switch {
		case side.decl != nil:
			text = side.decl.Text + "  (" + declaredAt(side.decl) + ")"
		case side.release == bad && c.Holds != nil:
			text = c.Holds.Text + " has no such member  (" + declaredAt(c.Holds) + ")"
		}
		fmt.Fprintf(w, "    %-24s %s\n", results.Plain(side.release), results.Plain(text))
	}
	if c.Ident.Hint != "" {
		fmt.Fprintf(w, "    the compiler asks whether %s was meant\n", results.Plain(c.Ident.Hint))
	}
}

// differs are the ways in which two kernels differ in a name, as one says them of the second.
var differs = map[results.Difference]string{results.DeclAdded: "new", results.DeclRemoved: "gone", results.DeclChanged: "declared in another way",
	results.DeclMoved: "in another header", results.DeclSame: "declared as it was"}

func declaredAt(d *results.Decl) string {
	if d.Line == 0 {
		return d.File
	}
	return fmt.Sprintf("%s:%d", d.File, d.Line)
}
