package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// step is a stage of a cell, or a spec of its suite: what formats for machines have a line for.
type step struct {
	name   string
	status results.Status
	ms     int64
	why    string // it did not pass, in one line
	spec   bool
}

// steps lists the stages that a cell came to, each PASS but for the last of a cell that did not pass. In the place of the stage
// test are the specs, and the stage itself only where it decided and no spec did. What was not reached is not there.
func steps(rec results.Record) (all []step) {
	took := map[results.Stage]int64{
		results.StageFetch: rec.Timings.Fetch, results.StageBuild: rec.Timings.Build, results.StageBoot: rec.Timings.Boot + rec.Timings.Restore,
		results.StageLoad: rec.Timings.Load, results.StageTest: rec.Timings.Test, results.StageUnload: rec.Timings.Unload,
	}
	guest := reachedGuest(results.Row{Cells: []results.Record{rec}})
	for _, stage := range results.Stages {
		if rec.Static() != (stage == results.StageCheck) && (rec.Static() && stage != results.StageFetch || stage == results.StageCheck) {
			continue
		}
		decided := rec.Status != results.Pass && (stage == rec.Stage || rec.Stage == "")
		if stage == results.StageTest || stage == results.StageCheck {
			for _, s := range rec.Specs {
				all = append(all, step{results.Plain(s.Name), s.Status, s.DurationMS, results.Plain(results.Headline(s.Message)), true})
			}
		}
		switch {
		case decided && (stage != results.StageTest && stage != results.StageCheck || !slices.ContainsFunc(rec.Specs, func(s results.Spec) bool { return s.Status == rec.Status })):
			all = append(all, step{string(stage), rec.Status, took[stage], rec.Why(), false})
		case !decided && stage != results.StageTest && stage != results.StageCheck && (guest || !slices.Contains(guestStages, stage)):
			all = append(all, step{string(stage), results.Pass, took[stage], "", false})
		}
		if decided {
			break
		}
	}
	once := unique{}
	for i, s := range all { // readers drop the second of a name
		all[i].name = once.name(s.name)
	}
	return all
}

var guestStages = []results.Stage{results.StageBoot, results.StageLoad, results.StageTest, results.StageUnload, results.StageShutdown}

// evidence is what of a cell shows why it did not pass, line by line: the fault with the console around it, and its files.
func evidence(rec results.Record, asked results.Asked) (lines []string) {
	for _, s := range rec.Splats {
		title := results.Plain(s.Title)
		if s.Where != "" {
			title += " at " + results.Plain(s.Where)
		}
		lines = append(lines, title)
		for line := range strings.Lines(clipLines(s.Excerpt)) {
			lines = append(lines, "  "+results.Plain(line))
		}
	}
	f := finding{rec: rec}
	for _, d := range f.details(asked, "") {
		lines = append(lines, d.label+": "+d.text)
	}
	return lines
}

// clipLines bounds an excerpt, which a guest chose.
func clipLines(s string) string {
	const lines = 60
	all := strings.SplitAfterN(s, "\n", lines+1)
	return strings.Join(all[:min(lines, len(all))], "")
}

// labels names every cell with a word that no other cell has: two sources may hold the same release.
func labels(records []results.Record) []string {
	once, names := unique{}, make([]string, len(records))
	for i, rec := range records {
		names[i] = once.name(strings.TrimSuffix(results.Plain(rec.Target.Arch+"."+rec.Target.Label())+"."+results.Plain(rec.Suite), "."))
	}
	return names
}

// unique are the names that were given away.
type unique map[string]bool

// name returns s, with a number behind it where that is taken.
func (u unique) name(s string) string {
	free := s
	for n := 2; u[free]; n++ {
		free = fmt.Sprintf("%s (%d)", s, n)
	}
	u[free] = true
	return free
}
