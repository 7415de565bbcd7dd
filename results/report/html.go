package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

//go:embed html
var htmlFiles embed.FS

var htmlPage = template.Must(template.New("page.html").ParseFS(htmlFiles, "html/page.html"))

// marks give a status a shape, for those who do not see its colour.
var marks = map[results.Status]string{results.Pass: "✓", results.Fail: "✗", results.Error: "⚠", results.Miss: "○", results.Skip: "–"}

// page is what the template shows. What it does not know, it leaves out.
type page struct {
	Title, Totals, Untested string
	Holds                   string // over which kernels binaries hold; empty: the module was built
	Style                   template.CSS
	Script                  template.JS
	ScriptHash              string // the only script that a browser is to run
	About                   []labelled
	Since                   string // what changed since an earlier run; empty: not known
	Changes                 []change
	Statuses                []htmlStatus
	Groups                  []htmlGroup
	Findings                []htmlFinding
	Checks                  []htmlCheck
	CheckFindings           []htmlField
	Cells                   iter.Seq[htmlCell] // one at a time: all at once are several times the size of the matrix
}

type labelled struct{ Label, Text string }

type htmlStatus struct {
	Status results.Status
	Mark   string
	Count  int
}

// HTML writes the matrix as one page that needs nothing else: a table of kernels and suites, and every cell with all that is
// known of it. Files are those of the folder of results, of which the consoles of cells that failed are shown around the
// fault; nil: none. The page is whole without JavaScript, which adds a filter.
func HTML(w io.Writer, r *results.Results, files fs.FS) error {
	style, err := htmlFiles.ReadFile("html/page.css")
	if err != nil {
		return err
	}
	script, err := htmlFiles.ReadFile("html/page.js")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(script)
	m := r.Matrix()
	records := m.Records()
	once, ids := unique{}, labels(records)
	for i, id := range ids {
		ids[i] = strings.ReplaceAll(once.name(id), " ", "_") // HTML allows no blank in an ID
	}
	p := page{
		Title: strings.TrimSpace(results.Plain(r.Module.Name) + " " + results.Plain(r.Module.Version)), Totals: totals(m, 0), About: aboutRun(r),
		Style: template.CSS(style), Script: template.JS(script), ScriptHash: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
		Groups: htmlGroups(m, ids), Findings: htmlFindings(m, records, ids, r.Run.Asked),
	}
	p.Checks, p.CheckFindings = htmlChecks(m)
	if archs := len(m.Archs()); archs > 1 {
		p.Totals = kernelsOf(len(m.Rows), archs) + ": " + p.Totals
	}
	p.Holds = holdsLine(r)
	if why := r.WhyUntested(); why != "" {
		p.Untested = nothingTested + ": " + results.Plain(why)
	}
	if r.Since != nil {
		p.Since, p.Changes = sinceLine(r.Since), changesOf(r.Since, r)
	}
	count := map[results.Status]int{}
	for _, rec := range records {
		count[rec.Status]++
	}
	p.Cells = func(yield func(htmlCell) bool) {
		for i, rec := range records {
			if !yield(htmlCellOf(rec, ids[i], r.Run.Asked, files)) {
				return
			}
		}
	}
	for _, s := range results.Statuses {
		p.Statuses = append(p.Statuses, htmlStatus{s, marks[s], count[s]})
	}
	out := bufio.NewWriter(w)
	if err := htmlPage.Execute(out, p); err != nil {
		return err
	}
	return out.Flush()
}

// aboutRun says what was run, where and when.
func aboutRun(r *results.Results) (all []labelled) {
	commit := ""
	if g := r.Module.Git; g != nil {
		if commit = g.Commit; g.Dirty {
			commit += ", and changes"
		}
	}
	host := r.Run.Host
	for _, l := range []labelled{{"source", r.Module.SourceDigest}, {"commit", commit}, {"run", r.Run.ID}, {"started", r.Run.Started.UTC().Format("2006-01-02 15:04 UTC")},
		{"on", strings.Trim(host.Arch+" "+host.Accelerator, " ")}, {"CPU model", host.CPUModel}, {"QEMU", host.QEMU}, {"by", r.Run.Tool}, {"with", devices(r)}} {
		if l.Text = results.Plain(l.Text); l.Text != "" {
			all = append(all, l)
		}
	}
	return all
}

// htmlGroup is the table of one architecture and profile.
type htmlGroup struct {
	Name   string
	Heads  []string
	Series []htmlSeries
}

type htmlSeries struct {
	Name string
	Span int // columns of the table
	Rows []htmlRow
}

type htmlRow struct {
	Kernel, Cause string
	Cells         []htmlField
}

// htmlField is a cell of the table: a link, where it is a cell of the matrix.
type htmlField struct {
	ID, Class, Mark, Text string
}

func htmlGroups(m results.Matrix, ids []string) (groups []htmlGroup) {
	type numbered struct {
		row results.Row
		ids []string
	}
	var rows []numbered
	for i, w := range m.Rows {
		rows = append(rows, numbered{w, ids[i*len(m.Suites) : (i+1)*len(m.Suites)]})
	}
	guest := slices.ContainsFunc(m.Rows, reachedGuest)
	heads := append([]string{"Build", "Load"}, suiteHeads(m)...)
	for _, of := range grouped(rows, func(n numbered) [2]string { return [2]string{n.row.Target.Arch, n.row.Target.Profile} }) {
		t := of[0].row.Target
		g := htmlGroup{Name: cmp.Or(strings.Trim(results.Plain(t.Arch)+" +"+results.Plain(t.Profile), " +"), "not resolved"), Heads: heads}
		for _, same := range grouped(of, func(n numbered) string { return n.row.Target.Series() }) {
			s := htmlSeries{Name: cmp.Or(same[0].row.Target.Series(), "not resolved"), Span: len(heads) + 2}
			for _, n := range same {
				row := htmlRow{Kernel: results.Plain(n.row.Target.Label()), Cause: cause(n.row), Cells: []htmlField{plainField(buildCell(n.row)), {Text: never}}}
				if guest {
					row.Cells[1] = plainField(loadCell(n.row))
				}
				for i, rec := range n.row.Cells {
					text := suiteCell(rec).full()
					if text == never || text == string(rec.Status) {
						text = string(rec.Status)
					}
					row.Cells = append(row.Cells, htmlField{n.ids[i], string(rec.Status), marks[rec.Status], text})
				}
				s.Rows = append(s.Rows, row)
			}
			g.Series = append(g.Series, s)
		}
		groups = append(groups, g)
	}
	return groups
}

func plainField(f field) htmlField {
	class := ""
	if f.ink != "" && f.ink != ink(results.Pass) {
		class = string(f.ink)
	}
	return htmlField{Class: class, Text: f.full()}
}

// suiteHeads are the suites of a matrix; a build alone has none, and its cells are verdicts.
func suiteHeads(m results.Matrix) (heads []string) {
	for _, s := range m.Suites {
		heads = append(heads, cmp.Or(results.Plain(s), "verdict"))
	}
	return heads
}

// htmlFinding is an entry of the list above the cells.
type htmlFinding struct {
	htmlField
	Details []labelled
}

func htmlFindings(m results.Matrix, records []results.Record, ids []string, asked results.Asked) (all []htmlFinding) {
	for _, f := range findings(m) {
		i := slices.IndexFunc(records, func(rec results.Record) bool { return rec.Target == f.rec.Target && rec.Suite == f.rec.Suite })
		found := htmlFinding{htmlField: htmlField{ids[i], string(f.rec.Status), marks[f.rec.Status], f.heading()}}
		if len(f.also) > 0 {
			found.Details = []labelled{{"also", results.Plain(strings.Join(f.also, ", "))}}
		}
		all = append(all, found)
	}
	for _, b := range firstBads(m) {
		e := htmlFinding{htmlField: htmlField{Text: b.line(nil)}}
		if command := b.bisect(asked); command != "" {
			e.Details = []labelled{{"between them", command}}
		}
		all = append(all, e)
	}
	for _, n := range notes(m) {
		all = append(all, htmlFinding{htmlField: htmlField{Text: fmt.Sprintf("note: %s", n)}})
	}
	return all
}
