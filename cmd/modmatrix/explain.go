package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

func explainCommand(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "explain [RELEASE [SUITE]]",
		Short: "Say why a cell has its status",
		Long: `Explain reads the results of the last run and says of a cell why it has its status: which row of the table of
judgement decided, what the evidence is, and where there is more to see. RELEASE is a kernel as the matrix names it, or its
version; without it, every cell that did not pass is explained.

Where a build failed, the names that the compiler stumbled over are looked up in this kernel's headers and in those of
the last kernel on which it built, if both are in the store, and a guard is suggested. Nothing is run or downloaded.

` + vocabulary(),
		Example: `  modmatrix explain
  modmatrix explain 7.2.12+deb13-amd64
  modmatrix explain 6.12.117 lifecycle -o nightly`,
		Args: atMost(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.explain(cmd.Context(), cmp.Or(out, harness.DefaultConfig().Out), args)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`DIR` of the results (default modmatrix-out)")
	return cmd
}

// vocabulary lists the words that a script may branch on. They are closed lists.
func vocabulary() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Statuses, the worst first: %s.\nStages, in order: %s.\nCodes:\n", spaced(results.Statuses), spaced(results.Stages))
	for _, c := range results.Codes {
		fmt.Fprintf(&text, "  %-18s %s\n", c, harness.Meaning(c))
	}
	return strings.TrimSpace(text.String())
}

func spaced[T ~string](words []T) string {
	var all []string
	for _, w := range words {
		all = append(all, string(w))
	}
	return strings.Join(all, " ")
}

func (a *app) explain(ctx context.Context, path string, args []string) error {
	res, dir, err := findResults(path)
	if err != nil {
		return err
	}
	cells, err := chosenCells(res, args)
	if err != nil {
		return err
	}
	h, err := a.open(harness.Options{Tool: toolName()})
	if err != nil {
		return err
	}
	found, err := h.Explain(ctx, harness.Spec{Out: dir}, res, dir, cells)
	if err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(results.PlainJSON(a.Stdout)).Encode(found)
	}
	if len(found) == 0 {
		fmt.Fprintf(a.Stdout, "every cell passed (%d); name one to see how: %s\n", len(res.Records), strings.Join(releasesOf(res), ", "))
	}
	for i, e := range found {
		if i > 0 {
			fmt.Fprintln(a.Stdout)
		}
		if err := showExplanation(a.Stdout, e); err != nil {
			return fmt.Errorf("show explanation: %w", err)
		}
	}
	return nil
}

// chosenCells are the cells of a kernel, of one suite if one is named; without a kernel, all that did not pass.
func chosenCells(res *results.Results, args []string) ([]harness.Cell, error) {
	var cells, kernel []harness.Cell
	for _, rec := range res.Records {
		c := harness.Cell{Target: labelOf(rec.Target), Suite: rec.Suite}
		switch {
		case len(args) == 0 && rec.Status != results.Pass:
			cells = append(cells, c)
		case len(args) > 0 && (args[0] == c.Target || args[0] == rec.Target.Release || args[0] == rec.Target.Version):
			kernel = append(kernel, c)
		}
	}
	if len(args) == 0 {
		return cells, nil
	}
	if len(kernel) == 0 {
		return nil, usage("no kernel %q in these results%s", args[0], hint(args[0], releasesOf(res), "they have "+strings.Join(releasesOf(res), ", ")))
	}
	var suites []string
	for _, c := range kernel {
		if len(args) < 2 || args[1] == c.Suite {
			cells = append(cells, c)
		}
		suites = append(suites, c.Suite)
	}
	if len(cells) == 0 {
		return nil, usage("no suite %q on %s%s", args[1], args[0], hint(args[1], suites, "there are "+strings.Join(suites, ", ")))
	}
	return cells, nil
}

func labelOf(t results.Target) string {
	if t.Profile == "" {
		return t.Release
	}
	return t.Release + "+" + t.Profile
}

// releasesOf names the kernels of a matrix, in its order.
func releasesOf(res *results.Results) []string {
	var names []string
	seen := map[string]bool{}
	for _, rec := range res.Records {
		if name := results.Plain(labelOf(rec.Target)); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

func showExplanation(w io.Writer, e harness.Explanation) error {
	var out strings.Builder
	rec := e.Record
	line := func(label, text string) {
		if text = results.Plain(text); text != "" {
			fmt.Fprintf(&out, "  %-9s %s\n", label, text)
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
	_, err := io.WriteString(w, out.String())
	return err
}

// showSpecs tells of those that did not pass, and of what several say only once.
func showSpecs(line func(label, text string), specs []results.Spec) {
	last := ""
	for _, s := range specs {
		if s.Status == results.Pass || s.Status == results.Skip {
			continue
		}
		why := strings.TrimSpace(s.Location + " " + harness.Gist(s.Message))
		text := fmt.Sprintf("%s %q %s", s.Status, s.Name, why)
		if why != "" && why == last {
			text = fmt.Sprintf("%s %q likewise", s.Status, s.Name)
		}
		last = why
		line("spec", text)
	}
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

func showBuildFault(out io.Writer, line func(label, text string), e harness.Explanation) {
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
