package results

import (
	"bufio"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// finding is one cause with every cell it struck: what a person has to look into once.
type finding struct {
	rec  Record   // the first cell it struck
	also []string // labels of the other targets
}

// findings folds the cells that did not pass by their cause, worst first, then in the order of the matrix.
// Up to the build all suites of a target share one fate, so there the suite does not count.
func findings(g grid) []finding {
	type cause struct {
		status Status
		stage  Stage
		code   Code
		suite  string
		reason string
	}
	var found []finding
	at := map[cause]int{}
	for _, w := range g.rows {
		for _, rec := range w.cells {
			if rec.Status == Pass || rec.Status == Skip {
				continue
			}
			c := cause{rec.Status, rec.Stage, rec.Code, rec.Suite, rec.Reason}
			if rec.shared() {
				c.suite = ""
			}
			i, ok := at[c]
			if !ok {
				at[c] = len(found)
				found = append(found, finding{rec: rec})
				continue
			}
			label := rec.Target.Label()
			if label != found[i].rec.Target.Label() && !slices.Contains(found[i].also, label) {
				found[i].also = append(found[i].also, label)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return a.rec.Status.rank() - b.rec.Status.rank() })
	return found
}

// shared tells whether the cell ended at something that all suites of its target share.
func (rec Record) shared() bool {
	return rec.stopped(StageFetch, StageBuild) || rec.Code == CodeInterrupted
}

// heading is the finding in one line: where, and what.
func (f finding) heading() string {
	where := Plain(f.rec.Suite)
	if f.rec.stopped(StageFetch, StageBuild, StageBoot, StageLoad, StageUnload, StageShutdown) || where == "" {
		where = strings.Trim(where+" "+string(f.rec.Stage), " ")
		if f.rec.shared() {
			where = string(f.rec.Stage)
		}
	}
	parts := []string{Plain(f.rec.Target.Label())}
	if where != "" {
		parts = append(parts, where)
	}
	return strings.Join(parts, " · ") + ": " + f.rec.why()
}

// logs names the files that show the finding, with the line where it is known.
func (f finding) logs(dir string) [][2]string {
	var logs [][2]string
	a := f.rec.Artifacts
	if a.BuildLog != "" && f.rec.stopped(StageBuild) {
		logs = append(logs, [2]string{"log", Plain(filepath.Join(dir, a.BuildLog))})
	}
	if spec, ok := f.failed(); ok && spec.Location != "" {
		logs = append(logs, [2]string{"spec", Plain(spec.Location)})
	}
	if a.Console != "" && !f.rec.stopped(StageFetch, StageBuild) {
		path := Plain(filepath.Join(dir, a.Console))
		if line := f.line(); line > 0 {
			path += fmt.Sprintf(":%d", line)
		}
		logs = append(logs, [2]string{"console", path})
	}
	return logs
}

// line is where the console shows the fault: the first splat of the stage that decided.
func (f finding) line() int {
	for _, s := range f.rec.Splats {
		if s.Stage == "" || s.Stage == f.rec.Stage {
			return s.Line
		}
	}
	return 0
}

// failed gives the spec to look at, if it is a single one.
func (f finding) failed() (Spec, bool) {
	var bad []Spec
	for _, s := range f.rec.Specs {
		if s.Status == Fail {
			bad = append(bad, s)
		}
	}
	if len(bad) != 1 {
		return Spec{}, false
	}
	return bad[0], true
}

// again is the command that runs the cell of the finding, and no other. What all suites share takes no suite.
func (f finding) again(asked Asked) string {
	words := asked.command()
	if k := f.rec.Target.Selector(); k != "" {
		words = append(words, "-k", k)
	}
	if s := f.rec.Suite; s != "" && !f.rec.shared() {
		words = append(words, "--suite", asked.suite(s))
	}
	if spec, ok := f.failed(); ok {
		words = append(words, "--focus", regexp.QuoteMeta(spec.Name))
	} else if asked.Focus != "" && !f.rec.shared() {
		words = append(words, "--focus", asked.Focus)
	}
	return ShellLine(words...)
}

// standardFlavours are what a Debian selector means when it names no flavour, by architecture.
var standardFlavours = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}

// Selector names exactly this target on a command line.
func (t Target) Selector() string {
	s := t.Source
	if t.Version != "" && strings.HasPrefix(s, "debian:") && !strings.Contains(s, "@") {
		s += "@" + t.Version
	}
	if t.Flavour != "" && t.Flavour != standardFlavours[t.Arch] && !strings.Contains(s, "/") {
		s += "/" + t.Flavour
	}
	if t.Profile != "" && !strings.Contains(s, "+") {
		s += "+" + t.Profile
	}
	return s
}

func writeFinding(out *bufio.Writer, f finding, asked Asked, opt TextOptions) {
	fmt.Fprintf(out, "\n%s\n", opt.wrapped(f.heading()))
	for _, l := range f.logs(opt.Dir) {
		fmt.Fprintf(out, "   %-7s  %s\n", l[0], l[1])
	}
	if len(f.also) > 0 {
		fmt.Fprintf(out, "   %-7s  %s\n", "also", Plain(strings.Join(f.also, ", ")))
	}
	fmt.Fprintf(out, "   %-7s  %s\n", "again", f.again(asked))
}

// noted are the notes of a record, with one on where it comes from if that is an earlier run.
func (rec Record) noted() []string {
	if rec.Kept == nil {
		return rec.Notes
	}
	since := rec.Kept.Started.UTC().Format("2006-01-02 15:04 UTC")
	return append(slices.Clone(rec.Notes), keptMark+": judged in the run of "+since+", and not run again")
}

// notes says what decided nothing and should be known, each note once with the kernels it holds for.
func notes(g grid) []string {
	var order, lines []string
	where := map[string][]string{}
	for _, w := range g.rows {
		for _, rec := range w.cells {
			for _, n := range rec.noted() {
				if where[n] == nil {
					order = append(order, n)
				}
				if label := Plain(rec.Target.Label()); !slices.Contains(where[n], label) {
					where[n] = append(where[n], label)
				}
			}
		}
	}
	for _, n := range order {
		on := strings.Join(where[n], ", ")
		if len(where[n]) == len(g.rows) && len(g.rows) > 1 {
			on = "every kernel"
		}
		lines = append(lines, fmt.Sprintf("%s (%s)", Plain(n), on))
	}
	return lines
}
