package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// History lists earlier runs, the newest last.
func History(w io.Writer, runs []*results.Results) error {
	rows := [][]string{{"MODULE", "STARTED", "RUN", ""}}
	for _, r := range runs {
		rows = append(rows, []string{strings.TrimSpace(r.Module.Name + " " + r.Module.Version), r.Run.Started.UTC().Format("2006-01-02 15:04"), r.Run.ID, totals(r.Matrix(), 0)})
	}
	return Columns(w, "  ", rows)
}

// PastOf draws what became of the cells whose module, kernel or suite has words in it, as a strip of one mark for each run, the
// newest last, and reports whether there was one.
func PastOf(w io.Writer, runs []*results.Results, words string) (found bool, err error) {
	strips := map[string]string{}
	latest := map[string]results.Record{}
	var names []string
	for _, r := range runs {
		for _, rec := range r.Records {
			name := strings.Join([]string{results.Plain(r.Module.Name), results.Plain(rec.Target.Source), results.Plain(rec.Target.Flavour), results.Plain(rec.Suite)}, " ")
			if !strings.Contains(name+" "+rec.Target.Label(), words) && !strings.Contains(rec.Target.Label()+" "+rec.Suite, words) && !strings.Contains(rec.Target.Label()+"/"+rec.Suite, words) {
				continue
			}
			if _, ok := strips[name]; !ok {
				names = append(names, name)
			}
			strips[name] += marks[rec.Status]
			latest[name] = rec
		}
	}
	rows := [][]string{{"CELL", "PAST", "NOW", ""}}
	for _, name := range names {
		rec := latest[name]
		why := ""
		if rec.Status != results.Pass {
			why = rec.Why()
		}
		rows = append(rows, []string{name, strips[name], fmt.Sprintf("%s on %s", rec.Status, rec.Target.Label()), why})
	}
	if len(names) == 0 {
		return false, nil
	}
	return true, Columns(w, "  ", rows)
}
