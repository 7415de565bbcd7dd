package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// change is a row of what became of the cells since an earlier run.
type change struct {
	Kind, Cell, Was, Now, Why string
}

// changesOf lists them, with what the cells are now.
func changesOf(s *results.Since, r *results.Results) (rows []change) {
	records := map[[2]string]results.Record{}
	for _, rec := range r.Records {
		records[[2]string{rec.Target.Label(), rec.Suite}] = rec
	}
	for _, c := range s.Changes {
		row := change{Kind: results.Plain(string(c.Kind)), Cell: strings.Trim(results.Plain(c.Target)+" · "+results.Plain(c.Suite), " ·"), Was: results.Plain(string(c.Was)), Now: "–"}
		if c.On != "" {
			row.Was += " on " + results.Plain(c.On)
		}
		if rec, ok := records[[2]string{c.Target, c.Suite}]; ok && c.Kind != results.Gone {
			if row.Now = results.Plain(string(rec.Status)); rec.Status != results.Pass {
				row.Why = rec.Why()
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// sinceLine says how much changed, in one line.
func sinceLine(s *results.Since) string {
	count := map[results.ChangeKind]int{}
	for _, c := range s.Changes {
		count[c.Kind]++
	}
	var parts []string
	for _, k := range results.ChangeKinds {
		if count[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[k], k))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing changed"}
	}
	return "since " + results.Plain(s.Started) + ": " + strings.Join(parts, ", ")
}

// writeSince writes what changed, where it is known.
func writeSince(out io.Writer, r *results.Results) {
	if r.Since == nil {
		return
	}
	fmt.Fprintf(out, "\n%s\n", sinceLine(r.Since))
	var rows [][]string
	for _, c := range changesOf(r.Since, r) {
		rows = append(rows, []string{c.Kind, c.Cell, strings.TrimSpace(c.Was + " → " + c.Now), c.Why})
	}
	_ = Columns(out, "   ", rows) // out keeps its error
}

func writeSinceMarkdown(out io.Writer, r *results.Results) {
	if r.Since == nil {
		return
	}
	fmt.Fprintf(out, "\n%s\n", code(sinceLine(r.Since)))
	for _, c := range changesOf(r.Since, r) {
		fmt.Fprintf(out, "- %s %s: %s → %s%s\n", code(c.Kind), code(c.Cell), code(c.Was), code(c.Now), strings.TrimSuffix(" "+code(c.Why), " "))
	}
}

// Diff writes what became of the cells of an earlier run.
func Diff(w io.Writer, new *results.Results, markdown bool) error {
	out := bufio.NewWriter(w)
	title := strings.TrimSpace(new.Module.Name + " " + new.Module.Version)
	if markdown {
		fmt.Fprintf(out, "### %s\n", code(title))
		writeSinceMarkdown(out, new)
	} else {
		fmt.Fprintf(out, "%s\n", results.Plain(title))
		writeSince(out, new)
	}
	return out.Flush()
}
