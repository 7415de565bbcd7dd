package results

import (
	"cmp"
	"slices"
	"strings"
)

// Label names a target in a matrix: the release, with +PROFILE where it has one. A target that was never resolved
// has no release, and is named by its selector.
func (t Target) Label() string {
	switch {
	case t.Release == "":
		return t.Source
	case t.Profile == "":
		return t.Release
	}
	return t.Release + "+" + t.Profile
}

// key tells targets apart. What is only known once the tree is there (compiler, digest) is no part of it.
func (t Target) key() Target {
	t.ConfigDigest, t.Compiler = "", ""
	return t
}

// compareTargets puts the oldest version first, and what was never resolved last.
func compareTargets(a, b Target) int {
	return cmp.Or(
		cmp.Compare(boolInt(a.Version == ""), boolInt(b.Version == "")),
		CompareVersions(a.Version, b.Version),
		CompareVersions(a.Release, b.Release),
		strings.Compare(a.Flavour, b.Flavour),
		strings.Compare(a.Profile, b.Profile),
		strings.Compare(a.Arch, b.Arch),
		strings.Compare(a.Source, b.Source),
	)
}

// Finish brings the records into the order of the matrix, targets by version and suites as they first appear, and
// adds them up. It is called once, when every planned cell has its record.
func (r *Results) Finish() {
	place := map[string]int{}
	for _, rec := range r.Records {
		if _, ok := place[rec.Suite]; !ok {
			place[rec.Suite] = len(place)
		}
	}
	slices.SortStableFunc(r.Records, func(a, b Record) int {
		return cmp.Or(compareTargets(a.Target, b.Target), cmp.Compare(place[a.Suite], place[b.Suite]))
	})
	r.Schema, r.Summary, r.Untested = Schema, r.count(), r.untested()
}

// count adds the statuses up; every status has a number, also where it is zero.
func (r *Results) count() map[Status]int {
	sum := map[Status]int{}
	for _, s := range Statuses {
		sum[s] = 0
	}
	for _, rec := range r.Records {
		sum[rec.Status]++
	}
	return sum
}

// grid is the matrix as a reader sees it: every target with every suite, no hole anywhere.
type grid struct {
	suites []string // in the order of the records
	rows   []row
}

// row is one target with a record for each suite.
type row struct {
	target Target
	cells  []Record
}

// grid fills the rectangle of targets and suites. A cell without a record is a MISS: absence is never PASS.
func (r *Results) grid() grid {
	var g grid
	at := map[Target]int{}
	for _, rec := range r.Records {
		if !slices.Contains(g.suites, rec.Suite) {
			g.suites = append(g.suites, rec.Suite)
		}
		if _, ok := at[rec.Target.key()]; !ok {
			at[rec.Target.key()] = len(g.rows)
			g.rows = append(g.rows, row{target: rec.Target})
		}
	}
	for i := range g.rows {
		for _, s := range g.suites {
			g.rows[i].cells = append(g.rows[i].cells, Record{Target: g.rows[i].target, Suite: s, Status: Miss,
				Reason: "there is no record of this cell"})
		}
	}
	for _, rec := range r.Records {
		rec.Status = rec.Status.known()
		g.rows[at[rec.Target.key()]].cells[slices.Index(g.suites, rec.Suite)] = rec
	}
	slices.SortStableFunc(g.rows, func(a, b row) int { return compareTargets(a.target, b.target) })
	return g
}

// known gives s, or what stands for a status that is none: a cell that nobody judged did not run, and a word that
// nobody knows is trouble. Neither may vanish in a roll-up.
func (s Status) known() Status {
	switch {
	case slices.Contains(Statuses, s):
		return s
	case s == "":
		return Miss
	}
	return Error
}

// status is the roll-up over the row.
func (w row) status() Status {
	var s Status
	for _, c := range w.cells {
		s = s.Worse(c.Status)
	}
	return s
}

// Exit codes that a set of records can come to.
const (
	ExitPass    = 0 // everything passed, or does not apply
	ExitFail    = 1 // the module failed somewhere
	ExitTrouble = 3 // no FAIL, but something of ours broke or did not run
)

// ExitCode is what the process that made or read r ends with. A cell without a record counts as MISS, a status
// that nobody knows as ERROR, and no record at all is not a pass.
func (r *Results) ExitCode() int {
	worst := Miss
	for i, w := range r.grid().rows {
		if i == 0 {
			worst = ""
		}
		worst = worst.Worse(w.status())
	}
	switch worst {
	case Pass, Skip:
		return ExitPass
	case Fail:
		return ExitFail
	}
	return ExitTrouble
}
