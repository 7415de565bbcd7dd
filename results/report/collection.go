package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Collected writes a collection as its author reads it: a grid of kernels and testers, one of kernels and devices, for how many it
// works, and what became of each file that does not count.
func Collected(w io.Writer, c *results.Collection, opt Options) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s\n\n", clip(collectedHeader(c), opt.Width))
	if kernels := c.Kernels(); len(kernels) > 0 {
		out.WriteString(layOut(testerGrid(c, kernels), opt))
	}
	if grid := deviceGrid(c); len(grid) > 1 {
		out.WriteString(layOut(grid, opt))
	}
	var rows [][]string
	for i, t := range c.Testers {
		who := t.Key
		if results.IsPerson(t.TestedBy) {
			who = t.TestedBy
		}
		rows = append(rows, []string{testerName(i), string(t.Trust), results.Plural(len(t.Records), "cell"), who})
	}
	if err := Columns(out, "  ", rows); err != nil {
		return err
	}
	if len(rows) > 0 {
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "%s\n", collectedTotals(c.Tally))
	for _, f := range testerFailures(c) {
		fmt.Fprintf(out, "  %s\n", Wrap(results.Plain(fmt.Sprintf("%s on %s: %s", f.what, listed(f.kernels, mailKernels), f.why)), opt.Width-4, 4))
	}
	writeFiles(out, c, opt.Width)
	return out.Flush()
}

func testerName(i int) string { return fmt.Sprintf("T%d", i+1) }

func collectedHeader(c *results.Collection) string {
	n := c.Tally.Trusted + c.Tally.Unknown
	line := strings.TrimSpace(results.Plain(c.Module.Name)+" "+results.Plain(c.Module.Version)) + " · " + results.Plain(shortDigest(c.Module.SourceDigest)) + " · " + results.Plural(n, "tester")
	if n > 0 {
		line += fmt.Sprintf(", %d trusted, %d unknown", c.Tally.Trusted, c.Tally.Unknown)
	}
	if c.Own == nil {
		return line + " · no runs of your own"
	}
	return line + fmt.Sprintf(" · %s of your own", results.Plural(len(c.Own.Matrix().Rows), "kernel"))
}

// testerGrid has a row for each kernel: the author's own verdict, then that of each tester.
func testerGrid(c *results.Collection, kernels []results.Target) [][]field {
	head := []field{{text: "KERNEL", ink: "head"}, {text: "own", ink: "head"}}
	for i := range c.Testers {
		head = append(head, field{text: testerName(i), ink: "head"})
	}
	view := [][]field{append(head, field{})}
	for _, k := range kernels {
		line := []field{{text: kernelName(k, kernels)}, {text: never}}
		if c.Own != nil {
			line[1] = verdictField(results.On(c.Own.Records, k))
		}
		for _, t := range c.Testers {
			line = append(line, verdictField(results.On(t.Records, k)))
		}
		view = append(view, append(line, field{}))
	}
	return view
}

// kernelName is the label, with the architecture where another kernel has the same.
func kernelName(k results.Target, all []results.Target) string {
	name := results.Plain(k.Label())
	if slices.ContainsFunc(all, func(o results.Target) bool { return o.Label() == k.Label() && o.Arch != k.Arch }) {
		name += " " + results.Plain(k.Arch)
	}
	return name
}

func verdictField(s results.Status) field {
	if s == "" {
		return field{text: never}
	}
	return field{text: string(s), ink: ink(s)}
}

// deviceGrid has a row for each kernel that a tester's device was tried on: how many testers each device works and fails for.
func deviceGrid(c *results.Collection) [][]field {
	devices, kernels := c.Devices(), c.Kernels()
	head := []field{{text: "KERNEL", ink: "head"}}
	for _, d := range devices {
		head = append(head, field{text: results.Plain(d.Bus + " " + d.ID), ink: "head"})
	}
	view := [][]field{append(head, field{})}
	for _, k := range kernels {
		line, tried := []field{{text: kernelName(k, kernels)}}, false
		for _, d := range devices {
			cell := deviceCell(c, k, d)
			tried = tried || cell.text != never
			line = append(line, cell)
		}
		if tried {
			view = append(view, append(line, field{}))
		}
	}
	return view
}

func deviceCell(c *results.Collection, k results.Target, d results.Device) field {
	count, worst := map[results.Status]int{}, results.Status("")
	for _, t := range c.Testers {
		s := results.On(slices.DeleteFunc(slices.Clone(t.Records), func(rec results.Record) bool { return !slices.Contains(rec.RealDevices(), d) }), k)
		if s != "" {
			count[s]++
			worst = worst.Worse(s)
		}
	}
	var texts []string
	for _, s := range results.Statuses {
		if count[s] > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	if len(texts) == 0 {
		return field{text: never}
	}
	return field{text: strings.Join(texts, " "), ink: ink(worst)}
}

func collectedTotals(t results.Tally) string {
	if t.Trusted+t.Unknown == 0 {
		return "no evidence counts"
	}
	line := fmt.Sprintf("works for %s, fails for %d", results.Plural(t.Works, "tester"), t.Fails)
	if t.Neither > 0 {
		line += fmt.Sprintf(", %d could not tell", t.Neither)
	}
	return line
}

// writeFiles says what became of the files: how many of each, and by name those that do not count.
func writeFiles(out io.Writer, c *results.Collection, width int) {
	var sums []string
	for _, u := range results.Uses {
		if n := c.Tally.Files[u]; n > 0 {
			sums = append(sums, fmt.Sprintf("%d %s", n, u))
		}
	}
	if len(sums) > 0 {
		fmt.Fprintf(out, "\n%s: %s\n", results.Plural(len(c.Files), "file"), strings.Join(sums, ", "))
	}
	for _, f := range c.Files {
		if f.Use != results.UseCounted {
			fmt.Fprintf(out, "  %-12s  %s\n", f.Use, Wrap(results.Plain(f.Name)+": "+results.Plain(f.Reason), width-16, 16))
		}
	}
	for _, x := range c.Conflicts {
		text := fmt.Sprintf("%s · %s passes and fails for one tester, and counts as neither: %s", results.Plain(x.Target.Label()), results.Plain(x.Suite), results.Plain(strings.Join(x.Files, ", ")))
		fmt.Fprintf(out, "  %-12s  %s\n", "conflict", Wrap(text, width-16, 16))
	}
}
