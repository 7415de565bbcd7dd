package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/kernels/api"
	"github.com/modmatrix/modmatrix/results"
)

// Explain says of each of cells, which res must hold, why it has its status. dir is where the artifacts of res lie. It runs
// nothing and fetches nothing: headers are compared where both trees are in the store. Spec says where sources are.
func (h *Harness) Explain(ctx context.Context, spec Spec, res *results.Results, dir string, cells []results.Cell) ([]results.Explanation, error) {
	var all []results.Explanation
	done := map[string]*results.BuildFault{}
	for _, c := range cells {
		i := slices.IndexFunc(res.Records, func(rec results.Record) bool { return cellOf(rec) == c })
		if i < 0 {
			return nil, fmt.Errorf("explain %s %s: no such cell", c.Target, c.Suite)
		}
		rec := res.Records[i]
		e := results.Explanation{Label: c.Target, Rule: rule(rec), Look: whereToLook(rec, dir), Record: rec}
		if rec.Status == results.Fail && rec.Stage == results.StageBuild {
			if done[c.Target] == nil { // all suites of a kernel share one build
				done[c.Target] = h.buildFault(ctx, spec, res, rec, dir)
			}
			e.Build = done[c.Target]
		}
		if theirs := rec.InTreeRun; theirs != nil {
			e.InTree = &results.Explanation{Label: c.Target, Rule: rule(theirs.Record), Look: whereToLook(theirs.Record, dir), Record: theirs.Record}
		}
		all = append(all, e)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// cellOf names the cell of a record.
func cellOf(rec results.Record) results.Cell {
	return results.Cell{Target: rec.Target.Label(), Suite: rec.Suite}
}

// buildFault reads the log and compares the headers.
func (h *Harness) buildFault(ctx context.Context, spec Spec, res *results.Results, rec results.Record, dir string) *results.BuildFault {
	log := buildLog(rec, dir)
	f := &results.BuildFault{Shown: firstError(log, rec.Reason)}
	ids := api.Faults(log + "\n" + rec.Reason)
	good, ok := lastBuilt(res.Records, rec.Target)
	switch {
	case len(ids) == 0:
		f.Unknown = "no name of the kernel's can be told from the error"
		return f
	case !ok:
		f.Unknown = "no other kernel of this matrix built it, so there is nothing to compare with"
		return f
	}
	f.Good = good.Label()
	changes, err := h.compareHeaders(ctx, spec, targetOf(good), targetOf(rec.Target), ids)
	if err != nil {
		f.Unknown = err.Error()
		return f
	}
	f.Changes = changes
	f.Guard = guard(changes, good.Version, rec.Target.Version)
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
	return readUpTo(f, maxBuildLog)
}

// lastBuilt is the newest kernel older than t on which the module was built, else the oldest one after it; one of the same
// flavour first.
func lastBuilt(records []results.Record, t results.Target) (results.Target, bool) {
	var before, after []results.Target
	for _, rec := range records {
		switch c := results.CompareVersions(rec.Target.Version, t.Version); {
		case !wasBuilt(rec) || rec.Target.Profile != t.Profile:
		case c < 0:
			before = append(before, rec.Target)
		case c > 0:
			after = append(after, rec.Target)
		}
	}
	order := func(a, b results.Target) int { return results.CompareVersions(a.Version, b.Version) }
	slices.SortStableFunc(before, order)
	slices.Reverse(before)
	slices.SortStableFunc(after, order)
	candidates := append(before, after...)
	if i := slices.IndexFunc(candidates, func(c results.Target) bool { return c.Flavour == t.Flavour }); i >= 0 {
		return candidates[i], true
	}
	if len(candidates) == 0 {
		return results.Target{}, false
	}
	return candidates[0], true
}

// wasBuilt tells whether the module came through its build.
func wasBuilt(rec results.Record) bool {
	switch rec.Stage {
	case results.StageLoad, results.StageTest, results.StageUnload, results.StageShutdown:
		return true
	}
	return rec.Status == results.Pass
}

var shownError = regexp.MustCompile(`rror: |undefined!|\*\*\* `)

// shownLines are how many lines of a log an error is shown with at most.
const shownLines = 6

// firstError is the error that reason is about as the compiler showed it: its line, and those with the source below it.
func firstError(log, reason string) []string {
	lines := strings.Split(log, "\n")
	text := reason
	if i := strings.LastIndex(reason, ": "); i >= 0 {
		text = reason[i+2:]
	}
	about := func(l string) bool { return shownError.MatchString(l) && strings.Contains(l, text) }
	at := slices.IndexFunc(lines, about)
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

// quotedLine is a line in which a compiler quotes the source: "  645 |         strlcpy(…" and the marks below it.
var quotedLine = regexp.MustCompile(`^ +\d* \|`)
