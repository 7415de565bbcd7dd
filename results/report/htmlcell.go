package report

import (
	"bufio"
	"cmp"
	"fmt"
	"html"
	"html/template"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// htmlCell is all that is known of a cell.
type htmlCell struct {
	ID, Class, Mark string
	Status          results.Status
	Kernel, Suite   string
	Reason, Taint   string
	Predicted       []string // of binaries that were not built here
	Hardware        []string
	Splats          []htmlSplat
	Specs           template.HTML // slowest first, but those that did not pass before them
	Bar             []htmlTime
	Past            []htmlStatus // of earlier runs, the oldest first
	Console         []htmlLine
	Details         []labelled
}

type htmlSplat struct{ Title, Where, Excerpt string }

type htmlTime struct {
	Name, Took string
	Width      int // percent of the longest
}

// htmlLine is a line of a console. Only where the fault is, it has an ID to link to.
type htmlLine struct {
	Number   int
	Text, ID string
	Fault    bool
}

func htmlCellOf(rec results.Record, id string, asked results.Asked, files fs.FS) htmlCell {
	c := htmlCell{ID: id, Class: string(rec.Status), Mark: marks[rec.Status], Status: rec.Status, Kernel: results.Plain(rec.Target.Label()), Suite: results.Plain(rec.Suite),
		Specs: htmlSpecs(rec.Specs), Bar: htmlBar(rec.Timings), Hardware: htmlHardware(rec)}
	for _, s := range rec.Past {
		c.Past = append(c.Past, htmlStatus{Status: s, Mark: marks[s]})
	}
	if rec.Status != results.Pass {
		c.Reason = rec.Why()
		if at := strings.Trim(string(rec.Stage)+", "+string(rec.Code), ", "); at != "" {
			c.Reason = results.Plain(at) + ": " + c.Reason
		}
	}
	if t := rec.Taint; t != nil && t.Before != t.After {
		c.Taint = results.Plain(fmt.Sprintf("%d before, %d after (%s)", t.Before, t.After, strings.Join(t.Delta, "")))
	}
	for _, p := range rec.Predicted {
		c.Predicted = append(c.Predicted, results.Plain(p.Line()))
	}
	if rec.Status == results.Pass || rec.Status == results.Skip {
		return c
	}
	for _, s := range rec.Splats {
		c.Splats = append(c.Splats, htmlSplat{results.Plain(s.Title), results.Plain(s.Where), plainText(clipLines(s.Excerpt))})
	}
	f := finding{rec: rec}
	for _, d := range f.details(asked, "") {
		c.Details = append(c.Details, labelled{d.label, d.text})
	}
	if files != nil && rec.Artifacts.Console != "" && !stopped(rec, results.StageFetch, results.StageBuild) {
		c.Console = consoleAround(files, rec.Artifacts.Console, f.line(), id)
	}
	return c
}

// htmlSpecs are the items of the list, escaped here: a template takes longer than all else of the page.
func htmlSpecs(specs []results.Spec) template.HTML {
	specs = slices.Clone(specs)
	slices.SortStableFunc(specs, func(a, b results.Spec) int {
		return cmp.Or(cmp.Compare(passes(a), passes(b)), cmp.Compare(b.DurationMS, a.DurationMS))
	})
	var list strings.Builder
	for _, s := range specs {
		if s.Status == results.Pass {
			list.WriteString("<li>")
		} else {
			fmt.Fprintf(&list, "<li class=%q>%s ", html.EscapeString(results.Plain(string(s.Status))), marks[s.Status])
		}
		list.WriteString(html.EscapeString(results.Plain(s.Name)))
		if s.Status == results.Pass || s.DurationMS > 0 {
			list.WriteString(" <i>" + Seconds(time.Duration(s.DurationMS)*time.Millisecond) + "</i>")
		}
		if why := strings.TrimSpace(results.Plain(s.Location) + " " + results.Plain(results.Headline(s.Message))); (s.Status != results.Pass || s.Tool != "") && why != "" {
			list.WriteString("<br>" + html.EscapeString(why))
		}
	}
	return template.HTML(list.String())
}

func passes(s results.Spec) int {
	if s.Status == results.Pass {
		return 1
	}
	return 0
}

func htmlBar(t results.Timings) (bar []htmlTime) {
	all := []struct {
		name string
		ms   int64
	}{{"fetch", t.Fetch}, {"build", t.Build}, {"boot", t.Boot}, {"restore", t.Restore}, {"load", t.Load}, {"test", t.Test}, {"unload", t.Unload}}
	var sum int64
	for _, x := range all {
		sum += x.ms
	}
	for _, x := range all {
		if x.ms > 0 {
			bar = append(bar, htmlTime{x.name, Seconds(time.Duration(x.ms) * time.Millisecond), int(max(1, 100*x.ms/sum))})
		}
	}
	return bar
}

// plainText is a text of several lines, each as results.Plain has it.
func plainText(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, results.Plain(line))
	}
	return strings.Join(lines, "\n")
}

// The part of a console that the page shows, in lines; the whole file is in the folder of results.
const (
	consoleBefore = 20
	consoleAfter  = 60
)

// consoleAround reads the lines around the fault; where none is known, the last ones. A file that is gone is not shown.
func consoleAround(files fs.FS, path string, fault int, id string) (lines []htmlLine) {
	f, err := files.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const most = 64 << 20 // bytes of a file that a guest wrote
	in := bufio.NewScanner(io.LimitReader(f, most))
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan() && (fault == 0 || n <= fault+consoleAfter); n++ {
		if fault > 0 && n < fault-consoleBefore {
			continue
		}
		line := htmlLine{Number: n, Text: results.Plain(in.Text())}
		if n == fault {
			line.Fault, line.ID = true, fmt.Sprintf("%s:%d", id, n)
		}
		if lines = append(lines, line); len(lines) > consoleBefore+consoleAfter+1 {
			lines = lines[1:]
		}
	}
	return lines
}
