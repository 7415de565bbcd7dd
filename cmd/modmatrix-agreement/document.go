package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/modmatrix/modmatrix/results"
	"github.com/spf13/cobra"
	"pault.ag/go/debian/version"
)

// document writes the tables of a document anew, from what runs left; what people wrote around them stays.
type document struct {
	into    string   // file with the marks
	reports []string // files of --output
}

func documentCommand() *cobra.Command {
	d := document{}
	cmd := &cobra.Command{
		Use:   "document RESULTS…",
		Short: "Write both tables of a document anew: results.json of runs of packages, the last word on a cell last, and what was compared",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return d.write(os.Stdout, args) },
	}
	cmd.Flags().StringVar(&d.into, "into", "", "`FILE` in which the tables are replaced; without, they are shown")
	cmd.Flags().StringArrayVar(&d.reports, "compared", nil, "`FILE` that --output wrote; may be repeated, and the last word on a cell counts")
	return cmd
}

func (d *document) write(w io.Writer, files []string) error {
	var runs []*results.Results
	for _, f := range files {
		r, err := results.Read(f)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	cells, err := readCells(d.reports)
	if err != nil {
		return err
	}
	tables := map[string]string{"runs": runTable(runs), "compared": cellTable(cells)}
	if d.into == "" {
		_, err := fmt.Fprintf(w, "%s\n%s", tables["runs"], tables["compared"])
		return err
	}
	text, err := os.ReadFile(d.into)
	if err != nil {
		return err
	}
	for name, table := range tables {
		if text, err = replace(text, name, table); err != nil {
			return fmt.Errorf("%s: %w", d.into, err)
		}
	}
	return renameio.WriteFile(d.into, text, 0o644)
}

// replace puts table between the marks of that name.
func replace(text []byte, name, table string) ([]byte, error) {
	begin, end := "<!-- "+name+": made by modmatrix-agreement document -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return nil, fmt.Errorf("lacks the lines %q and %q, between which the table goes", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return []byte(before + begin + "\n" + table + "\n" + end + after), nil
}

// readCells gathers the cells that were compared.
func readCells(files []string) (cells []cell, err error) {
	for _, f := range files {
		text, err := os.ReadFile(f)
		var r report
		if err == nil && (json.Unmarshal(text, &r) != nil || r.Schema != schema) {
			err = errors.New("not what --output writes")
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f, err)
		}
		for _, c := range r.Cells {
			if c.Left == "" {
				cells = slices.DeleteFunc(cells, func(o cell) bool { return o.Package == c.Package && o.Kernel == c.Kernel })
				cells = append(cells, c)
			}
		}
	}
	return cells, nil
}

// grid is a table of packages and kernels, and what is to be told beneath it.
type grid struct {
	rows, columns []string
	cells         map[[2]string]string
	told          []string
}

func (g *grid) put(row, column, text string) {
	if g.cells == nil {
		g.cells = map[[2]string]string{}
	}
	if !slices.Contains(g.rows, row) {
		g.rows = append(g.rows, row)
	}
	if !slices.Contains(g.columns, column) {
		g.columns = append(g.columns, column)
	}
	g.cells[[2]string{row, column}] = text
}

// note is the mark of a reason; equal ones share it.
func (g *grid) note(reason string) string {
	i := slices.Index(g.told, reason)
	if i < 0 {
		i, g.told = len(g.told), append(g.told, reason)
	}
	return fmt.Sprintf("[%d]", i+1)
}

// String is the table as Markdown, packages by name and kernels by version.
func (g *grid) String() string {
	slices.Sort(g.rows)
	slices.SortFunc(g.columns, byVersion)
	var b strings.Builder
	fmt.Fprintf(&b, "| package | %s |\n|---|%s\n", strings.Join(g.columns, " | "), strings.Repeat("---|", len(g.columns)))
	for _, row := range g.rows {
		line := "| " + row + " |"
		for _, column := range g.columns {
			line += " " + cmp.Or(g.cells[[2]string{row, column}], "–") + " |"
		}
		fmt.Fprintln(&b, line)
	}
	for i, reason := range g.told {
		if i == 0 {
			fmt.Fprintln(&b)
		}
		fmt.Fprintf(&b, "%d. %s\n", i+1, reason)
	}
	return b.String()
}

// byVersion orders releases as Debian orders versions.
func byVersion(a, b string) int {
	v, errA := version.Parse(a)
	w, errB := version.Parse(b)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	return version.Compare(v, w)
}

// ran is one record, and where in the table it stands.
type ran struct {
	row, column string
	rec         results.Record
}

// lastWords are the records of runs, of one place the last.
func lastWords(runs []*results.Results) (all []ran) {
	for _, run := range runs {
		row := strings.TrimSpace(run.Module.Name + " " + run.Module.Version)
		for _, rec := range run.Records {
			one := ran{row, rec.Target.Release, rec}
			all = slices.DeleteFunc(all, func(o ran) bool { return o.row == one.row && o.column == one.column })
			all = append(all, one)
		}
	}
	return all
}

// runTable is what the packages of Debian came to, built, loaded, used and unloaded.
func runTable(runs []*results.Results) string {
	var g grid
	counted, all := map[results.Status]int{}, lastWords(runs)
	for _, one := range all {
		counted[one.rec.Status]++
		g.put(one.row, one.column, g.word(one.rec))
	}
	var words []string
	for _, s := range []results.Status{results.Pass, results.Fail, results.Skip, results.Error, results.Miss} {
		if counted[s] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counted[s], s))
		}
	}
	return fmt.Sprintf("%d cells of %d packages: %s.\n\n%s", len(all), len(g.rows), strings.Join(words, ", "), g.String())
}

// word is one record in the table.
func (g *grid) word(rec results.Record) string {
	switch rec.Status {
	case results.Pass:
		passed := 0
		for _, s := range rec.Specs {
			if s.Status == results.Pass {
				passed++
			}
		}
		return fmt.Sprintf("%d/%d", passed, len(rec.Specs))
	case results.Skip:
		return "skip " + g.note(plain(rec.Reason))
	}
	return fmt.Sprintf("%s@%s %s", rec.Status, rec.Stage, g.note(string(rec.Code)+": "+plain(rec.Reason)))
}

// cellTable is what both sides decided.
func cellTable(cells []cell) string {
	var g grid
	r := report{Cells: cells}
	for _, c := range cells {
		word := string(c.Ours.Verdict)
		if !c.same() {
			word = fmt.Sprintf("**%s/%s** %s", c.Theirs.Verdict, c.Ours.Verdict, g.note(cmp.Or(c.Known, "not explained")))
		}
		g.put(c.Package, c.Kernel, word)
	}
	_, counts, _ := strings.Cut(r.summary(), ": ")
	return fmt.Sprintf("%s.\n\n%s.\n\n%s", counts, strings.ReplaceAll(r.times(), "times: ", "Times: "), g.String())
}

// plain keeps a reason from being read as a table or as markup.
func plain(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}
