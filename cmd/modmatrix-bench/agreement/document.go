package agreement

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"pault.ag/go/debian/version"

	"github.com/modmatrix/modmatrix/results"
)

// document writes the tables of a document anew, from what runs left; the text around them stays.
type document struct {
	into    string   // file with the marks
	reports []string // files of --output
}

func (d *document) write(w io.Writer, files []string) error {
	runs := grid[results.Record]{}
	for _, f := range files {
		r, err := results.Read(f)
		if err != nil {
			return err
		}
		for _, rec := range r.Records {
			runs[place{strings.TrimSpace(r.Module.Name + " " + r.Module.Version), rec.Target.Release}] = rec
		}
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

func replace(text []byte, name, table string) ([]byte, error) {
	begin, end := "<!-- "+name+": made by modmatrix-bench document -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return nil, fmt.Errorf("lacks the lines %q and %q, between which the table goes", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return []byte(before + begin + "\n" + table + "\n" + end + after), nil
}

func readCells(files []string) (grid[Cell], error) {
	cells := grid[Cell]{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		var r Report
		if err == nil && (json.Unmarshal(text, &r) != nil || r.Schema != schema) {
			err = errors.New("not what --output writes")
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f, err)
		}
		for _, c := range r.Cells {
			if c.Left == "" {
				cells[place{c.Package, c.Kernel}] = c
			}
		}
	}
	return cells, nil
}

type place struct{ row, column string }

type grid[T any] map[place]T

type notes []string

// mark is the number of a reason; equal ones share it.
func (n *notes) mark(reason string) string {
	i := slices.Index(*n, reason)
	if i < 0 {
		i, *n = len(*n), append(*n, reason)
	}
	return fmt.Sprintf("[%d]", i+1)
}

func (g grid[T]) lines(name func(place) string, compare func(a, b string) int) []string {
	var all []string
	for p := range g {
		all = append(all, name(p))
	}
	slices.SortFunc(all, compare)
	return slices.Compact(all)
}

func (g grid[T]) rows() []string {
	return g.lines(func(p place) string { return p.row }, strings.Compare)
}

func (g grid[T]) markdown(word func(T, *notes) string) string {
	var b strings.Builder
	var reasons notes
	columns := g.lines(func(p place) string { return p.column }, byVersion)
	fmt.Fprintf(&b, "| package | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, row := range g.rows() {
		line := "| " + row + " |"
		for _, column := range columns {
			text := "–"
			if cell, ok := g[place{row, column}]; ok {
				text = word(cell, &reasons)
			}
			line += " " + text + " |"
		}
		fmt.Fprintln(&b, line)
	}
	for i, reason := range reasons {
		if i == 0 {
			fmt.Fprintln(&b)
		}
		fmt.Fprintf(&b, "%d. %s\n", i+1, reason)
	}
	return b.String()
}

func byVersion(a, b string) int {
	v, errA := version.Parse(a)
	w, errB := version.Parse(b)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	return version.Compare(v, w)
}

func runTable(runs grid[results.Record]) string {
	counted := map[results.Status]int{}
	for _, rec := range runs {
		counted[rec.Status]++
	}
	var words []string
	for _, s := range []results.Status{results.Pass, results.Fail, results.Skip, results.Error, results.Miss} {
		if counted[s] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counted[s], s))
		}
	}
	return fmt.Sprintf("%d cells of %d packages: %s.\n\n%s", len(runs), len(runs.rows()), strings.Join(words, ", "), runs.markdown(recordWord))
}

func recordWord(rec results.Record, n *notes) string {
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
		return "skip " + n.mark(plain(rec.Reason))
	}
	return fmt.Sprintf("%s@%s %s", rec.Status, rec.Stage, n.mark(string(rec.Code)+": "+plain(rec.Reason)))
}

func cellTable(cells grid[Cell]) string {
	r := Report{Cells: slices.Collect(maps.Values(cells))}
	_, counts, _ := strings.Cut(r.summary(), ": ")
	return fmt.Sprintf("%s.\n\n%s.\n\n%s", counts, strings.ReplaceAll(r.times(), "times: ", "Times: "), cells.markdown(func(c Cell, n *notes) string {
		if c.same() {
			return string(c.Modmatrix.Verdict)
		}
		return fmt.Sprintf("**%s/%s** %s", c.DKMS.Verdict, c.Modmatrix.Verdict, n.mark(cmp.Or(c.Known, "not explained")))
	}))
}

// plain keeps a reason from being read as a table or as markup.
func plain(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}
