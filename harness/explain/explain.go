// Package explain says why a cell has its status: which row of the table of judgement decided, where there is more to see, and,
// where a build failed, what the kernel's headers declare in another way than those of a kernel on which it did not.
//
// It reads results, logs and headers that are there already. This package must never run, build or download anything.
package explain

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
)

// Cells explains cells of res, whose artifacts lie in dir. Headers are compared as far as stored, offline sources, have them.
func Cells(ctx context.Context, stored map[string]harness.Source, res *results.Results, dir string, cells []results.Cell) ([]results.Explanation, error) {
	var all []results.Explanation
	builds := map[string]*results.BuildFault{}
	for _, c := range cells {
		i := slices.IndexFunc(res.Records, func(rec results.Record) bool { return results.Cell{Target: rec.Target.Label(), Suite: rec.Suite} == c })
		if i < 0 {
			return nil, fmt.Errorf("explain %s %s: no such cell", c.Target, c.Suite)
		}
		rec := res.Records[i]
		e := explained(c.Target, rec, dir)
		if rec.Status == results.Fail && rec.Stage == results.StageBuild {
			if builds[c.Target] == nil { // all suites of a kernel share one build
				builds[c.Target] = buildFault(ctx, stored, res, rec, dir)
			}
			e.Build = builds[c.Target]
		}
		if rec.InTreeRun != nil {
			theirs := explained(c.Target, rec.InTreeRun.Record, dir)
			e.InTree = &theirs
		}
		all = append(all, e)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func explained(label string, rec results.Record, dir string) results.Explanation {
	return results.Explanation{Label: label, Rule: rule(rec), Look: whereToLook(rec, dir), Record: rec}
}

func buildFault(ctx context.Context, stored map[string]harness.Source, res *results.Results, rec results.Record, dir string) *results.BuildFault {
	f := &results.BuildFault{Shown: firstError(buildLog(rec, dir), rec.Reason)}
	names := Names(rec, dir)
	good, ok := lastBuilt(res.Records, rec.Target)
	switch {
	case len(names) == 0:
		f.Unknown = "the error names nothing of the kernel's"
		return f
	case !ok:
		f.Unknown = "no other kernel of this matrix built it, so there is nothing to compare with"
		return f
	}
	f.Good = good.Label()
	var err error
	if f.Changes, err = Compare(ctx, stored, Target(good), Target(rec.Target), names); err != nil {
		f.Unknown = err.Error()
		return f
	}
	f.Guard = guard(f.Changes, good.Version, rec.Target.Version)
	return f
}

// maxBuildLog bounds how much of a log is read, in bytes: the first error is near its beginning.
const maxBuildLog = 4 << 20

// buildLog is what the build of rec printed; empty where it is not there.
func buildLog(rec results.Record, dir string) string {
	path := rec.Artifacts.BuildLog
	if path == "" || !filepath.IsLocal(path) { // results may be a stranger's
		return ""
	}
	f, err := os.Open(filepath.Join(dir, path))
	if err != nil {
		return ""
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, maxBuildLog))
	return string(data)
}

// lastBuilt is the newest kernel older than t that built the module, else the oldest after it; one of t's flavour first.
func lastBuilt(records []results.Record, t results.Target) (best results.Target, ok bool) {
	newer := func(c results.Target) bool { return results.CompareVersions(c.Version, t.Version) > 0 }
	rank := func(c results.Target) (n int) {
		if c.Flavour != t.Flavour {
			n = 2
		}
		if newer(c) {
			n++
		}
		return n
	}
	for _, rec := range records {
		c := rec.Target
		if !wasBuilt(rec) || c.Profile != t.Profile || results.CompareVersions(c.Version, t.Version) == 0 {
			continue
		}
		nearer := results.CompareVersions(best.Version, c.Version)
		if newer(c) {
			nearer = -nearer
		}
		if !ok || cmp.Or(cmp.Compare(rank(c), rank(best)), nearer) < 0 {
			best, ok = c, true
		}
	}
	return best, ok
}

func wasBuilt(rec results.Record) bool {
	switch rec.Stage {
	case results.StageLoad, results.StageTest, results.StageUnload, results.StageShutdown:
		return true
	}
	return rec.Status == results.Pass
}

var (
	shownError = regexp.MustCompile(`rror: |undefined!|\*\*\* `)
	// compilersError has its place before it, which none of make's own has.
	compilersError  = regexp.MustCompile(`^\S+:\d+:(?:\d+:)? (?:fatal )?[eE]rror: `)
	undefinedSymbol = regexp.MustCompile(`undefined symbol (\w+)`)
	// quotedLine is a line in which a compiler quotes the source: "  645 |         strlcpy(…" and the marks below it.
	quotedLine = regexp.MustCompile(`^ +\d* \|`)
)

const shownLines = 6

// firstError is the error that reason is about as the compiler showed it: its line, and those with the source below it.
func firstError(log, reason string) []string {
	lines := slices.DeleteFunc(strings.Split(log, "\n"), func(l string) bool { return strings.HasPrefix(l, "# ") }) // our own
	text, _, _ := strings.Cut(reason, "; ")
	text = text[strings.LastIndex(text, ": ")+1:]
	if m := undefinedSymbol.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	about := func(l string) bool { return shownError.MatchString(l) && strings.Contains(l, strings.TrimSpace(text)) }
	at := slices.IndexFunc(lines, about)
	if at < 0 {
		at = slices.IndexFunc(lines, compilersError.MatchString)
	}
	if at < 0 {
		at = slices.IndexFunc(lines, shownError.MatchString)
	}
	if at < 0 {
		return nil
	}
	shown := []string{strings.TrimSpace(lines[at])}
	for _, l := range lines[at+1:] {
		if len(shown) == shownLines || !quotedLine.MatchString(l) {
			break
		}
		shown = append(shown, strings.TrimRight(l, " \r"))
	}
	return shown
}

func rule(rec results.Record) string {
	switch {
	case rec.Status == results.Pass:
		return "everything planned ran and is accounted for, the guest ended as it should, and nothing spoke against it"
	case rec.Code == results.CodeInfra && rec.Status == results.Miss:
		return "the infrastructure did not get as far as running it: nothing is known of the module"
	case rec.Code == results.CodeTimeout && rec.Status == results.Fail:
		return rec.Code.Meaning() + ", in code that the suite could not end"
	}
	return rec.Code.Meaning()
}

// whereToLook lists the files that show more, the one that shows the cause first.
func whereToLook(rec results.Record, dir string) (look []string) {
	a := rec.Artifacts
	console := a.Console
	if i := slices.IndexFunc(rec.Splats, func(s results.Splat) bool { return s.Line > 0 }); i >= 0 && console != "" {
		console += fmt.Sprintf(":%d", rec.Splats[i].Line)
	}
	files := []string{console, a.SuiteLog}
	switch {
	case rec.Stage == results.StageBuild:
		files = []string{a.BuildLog, console}
	case rec.Code == results.CodeSpecFailed || rec.Code == results.CodeSpecMissing:
		files = []string{a.SuiteLog, a.Specs, console}
	}
	for _, f := range files {
		if f != "" {
			look = append(look, filepath.Join(dir, f))
		}
	}
	return look
}
