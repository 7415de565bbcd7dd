package agreement

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/modmatrix/modmatrix/results"
)

// document writes the tables of a document anew, from what runs left; the text around them stays.
type document struct {
	into    string   // file with the marks
	reports []string // files of --output
	archs   []string // the same, of kernels of other architectures
}

// table is one of a document, between its marks; "" is left as it is.
type table struct{ name, text string }

func (d *document) tables(files []string) (all []table, err error) {
	var runs, compared, archs string
	if len(files) > 0 {
		runs, err = runTable(files)
	}
	if err == nil && len(d.reports) > 0 {
		compared, err = cellTable(d.reports, false)
	}
	if err == nil && len(d.archs) > 0 {
		archs, err = cellTable(d.archs, true)
	}
	all = []table{{"runs", runs}, {"compared", compared}, {"architectures", archs}}
	return slices.DeleteFunc(all, func(t table) bool { return t.text == "" }), err
}

func (d *document) write(w io.Writer, files []string) error {
	all, err := d.tables(files)
	if err != nil {
		return err
	}
	if d.into == "" {
		for _, t := range all {
			fmt.Fprintln(w, t.text)
		}
		return nil
	}
	text, err := os.ReadFile(d.into)
	for _, t := range all {
		name, table := t.name, t.text
		begin, end := "<!-- "+name+": made by modmatrix-bench document -->\n", "<!-- end of "+name+" -->\n"
		before, rest, ok := strings.Cut(string(text), begin)
		_, after, closed := strings.Cut(rest, end)
		if err == nil && !(ok && closed) {
			err = fmt.Errorf("%s: lacks the lines %q and %q, between which the table goes", d.into, strings.TrimSpace(begin), strings.TrimSpace(end))
		}
		text = []byte(before + begin + "\n" + table + "\n" + end + after)
	}
	if err != nil {
		return err
	}
	return renameio.WriteFile(d.into, text, 0o644)
}

// grid is a table by package and kernel. Equal reasons share a number, and stand below it.
type grid map[[2]string]struct{ word, reason string }

func (g grid) axis(i int, compare func(a, b string) int) (names []string) {
	for at := range g {
		names = append(names, at[i])
	}
	slices.SortFunc(names, compare)
	return slices.Compact(names)
}

func (g grid) packages() []string { return g.axis(0, strings.Compare) }

func (g grid) String() string {
	var b strings.Builder
	var reasons []string
	kernels := g.axis(1, results.CompareVersions)
	fmt.Fprintf(&b, "| package | %s |\n|---|%s\n", strings.Join(kernels, " | "), strings.Repeat("---|", len(kernels)))
	for _, name := range g.packages() {
		b.WriteString("| " + name + " |")
		for _, kernel := range kernels {
			cell := g[[2]string{name, kernel}]
			if cell.reason != "" {
				if !slices.Contains(reasons, cell.reason) {
					reasons = append(reasons, cell.reason)
				}
				cell.word += fmt.Sprintf(" [%d]", slices.Index(reasons, cell.reason)+1)
			}
			b.WriteString(" " + cmp.Or(cell.word, "–") + " |")
		}
		b.WriteString("\n")
	}
	for i, reason := range reasons {
		fmt.Fprintf(&b, "%s%d. %s\n", map[bool]string{true: "\n"}[i == 0], i+1, reason)
	}
	return b.String()
}

// runTable is made of the results of runs, the latest with a cell last.
func runTable(files []string) (string, error) {
	g, statuses := grid{}, map[[2]string]results.Status{}
	for _, f := range files {
		r, err := results.Read(f)
		if err != nil {
			return "", err
		}
		for _, rec := range r.Records {
			at := [2]string{strings.TrimSpace(r.Module.Name + " " + r.Module.Version), rec.Target.Release}
			one := g[at]
			switch one.word, one.reason = strings.ToLower(string(rec.Status)), plain(rec.Reason); rec.Status {
			case results.Pass:
				passed := slices.DeleteFunc(slices.Clone(rec.Specs), func(s results.Spec) bool { return s.Status != results.Pass })
				one.word, one.reason = fmt.Sprintf("%d/%d", len(passed), len(rec.Specs)), ""
			case results.Fail, results.Error, results.Miss:
				one.word, one.reason = fmt.Sprintf("%s@%s", rec.Status, rec.Stage), string(rec.Code)+": "+plain(rec.Reason)
			}
			g[at], statuses[at] = one, rec.Status
		}
	}
	counted := map[results.Status]int{}
	for _, s := range statuses {
		counted[s]++
	}
	var counts []string
	for _, s := range []results.Status{results.Pass, results.Fail, results.Skip, results.Error, results.Miss} {
		if n := counted[s]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return fmt.Sprintf("%d cells of %d packages: %s.\n\n%s", len(g), len(g.packages()), strings.Join(counts, ", "), g), nil
}

// cellTable is made of reports, the latest with a cell last; reasons says that each cell that does not build gets modmatrix's.
func cellTable(files []string, reasons bool) (string, error) {
	cells := map[[2]string]Cell{}
	for _, f := range files {
		var r Report
		text, err := os.ReadFile(f)
		if err == nil && (json.Unmarshal(text, &r) != nil || r.Schema != schema) {
			err = fmt.Errorf("not what --output writes")
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", f, err)
		}
		for _, c := range r.Cells {
			if c.Left == "" {
				cells[[2]string{c.Package, c.Kernel}] = c
			}
		}
	}
	g := grid{}
	for at, c := range cells {
		one := g[at]
		switch one.word = string(c.Modmatrix.Verdict); {
		case c.same() && reasons:
			one.reason = plain(c.Modmatrix.Reason)
		case !c.same():
			one.word, one.reason = fmt.Sprintf("**%s/%s**", c.DKMS.Verdict, c.Modmatrix.Verdict), cmp.Or(c.Known, "not explained")
		}
		g[at] = one
	}
	r := Report{Cells: slices.Collect(maps.Values(cells))}
	_, counts, _ := strings.Cut(r.summary(), ": ")
	return fmt.Sprintf("%s.\n\n%s.\n\n%s", counts, strings.ReplaceAll(r.times(), "times: ", "Times: "), g), nil
}

// plain keeps a reason from being read as a table or as markup.
func plain(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}
