package results

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finish brings the records into the order of the matrix, targets by architecture and version and suites as they first appear, and
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
	r.Schema, r.Summary, r.Untested = Schema, r.count(), r.WhyUntested()
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

// Matrix is what records add up to: every target with every suite, no hole anywhere.
type Matrix struct {
	Suites []string // in the order of the records
	Rows   []Row    // each architecture together, the oldest version of it first
}

// Row is one target with a record for each suite, in the order of Matrix.Suites.
type Row struct {
	Target Target
	Cells  []Record
}

// Matrix fills the rectangle of targets and suites. A cell without a record is a MISS: absence is never PASS.
func (r *Results) Matrix() Matrix {
	var m Matrix
	at := map[Target]int{}
	for _, rec := range r.Records {
		if !slices.Contains(m.Suites, rec.Suite) {
			m.Suites = append(m.Suites, rec.Suite)
		}
		if _, ok := at[rec.Target.key()]; !ok {
			at[rec.Target.key()] = len(m.Rows)
			m.Rows = append(m.Rows, Row{Target: rec.Target})
		}
	}
	for i, w := range m.Rows {
		for _, s := range m.Suites {
			m.Rows[i].Cells = append(m.Rows[i].Cells, Record{Target: w.Target, Suite: s, Status: Miss, Reason: "there is no record of this cell"})
		}
	}
	for _, rec := range r.Records {
		rec.Status = rec.Status.known()
		m.Rows[at[rec.Target.key()]].Cells[slices.Index(m.Suites, rec.Suite)] = rec
	}
	slices.SortStableFunc(m.Rows, func(a, b Row) int { return compareTargets(a.Target, b.Target) })
	return m
}

// Archs are the architectures of the rows, in uname -m's words and in their order; what was never resolved has none.
func (m Matrix) Archs() (names []string) {
	for _, w := range m.Rows {
		if w.Target.Arch != "" && !slices.Contains(names, w.Target.Arch) {
			names = append(names, w.Target.Arch)
		}
	}
	return names
}

// Span are the oldest and the newest version of rows; both are empty where none has a version.
func Span(rows []Row) (oldest, newest string) {
	for _, w := range rows {
		v := w.Target.Version
		if v != "" && (oldest == "" || CompareVersions(v, oldest) < 0) {
			oldest = v
		}
		if CompareVersions(v, newest) > 0 {
			newest = v
		}
	}
	return oldest, newest
}

// Records lists every cell, row by row.
func (m Matrix) Records() (all []Record) {
	for _, w := range m.Rows {
		all = append(all, w.Cells...)
	}
	return all
}

// known returns s, MISS for a cell that nobody judged, or ERROR for an unknown word: neither may vanish in a roll-up.
func (s Status) known() Status {
	switch {
	case slices.Contains(Statuses, s):
		return s
	case s == "":
		return Miss
	}
	return Error
}

// Status is the roll-up over the row.
func (w Row) Status() Status {
	var s Status
	for _, c := range w.Cells {
		s = s.Worse(c.Status)
	}
	return s
}

// The exit codes for a set of records.
const (
	ExitPass    = 0 // something passed, and the rest passed or does not apply
	ExitFail    = 1 // the module failed somewhere
	ExitTrouble = 3 // no FAIL, but ERROR or MISS, or nothing was tested at all
)

// ExitCode is what the process that made or read r ends with. A cell without a record counts as MISS, a status
// that nobody knows as ERROR, and no record at all is not a pass.
func (r *Results) ExitCode() int {
	var worst Status
	for _, w := range r.Matrix().Rows {
		worst = worst.Worse(w.Status())
	}
	return worst.exitCode()
}

// exitCode is that of a set of cells whose worst is s; empty: there is none.
func (s Status) exitCode() int {
	switch s {
	case Pass:
		return ExitPass
	case Fail:
		return ExitFail
	}
	return ExitTrouble
}

// WhyUntested says why no cell at all was tested, and what to do about it, in one line; empty where one was, or should have been.
func (r *Results) WhyUntested() string {
	var reasons []string
	for _, rec := range r.Records {
		if rec.Status != Skip {
			return ""
		}
		why := rec.Why()
		if rec.Target.Release != "" { // what is said of each kernel by its name is one reason
			why = strings.ReplaceAll(why, rec.Target.Release, "the kernel")
		}
		if !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	cells := "the only cell was skipped"
	if n := len(r.Records); n > 1 {
		cells = fmt.Sprintf("all %d cells were skipped", n)
	}
	more := ""
	if n := len(reasons) - 1; n == 1 {
		more = " (and 1 other reason)"
	} else if n > 1 {
		more = fmt.Sprintf(" (and %d other reasons)", n)
	}
	return fmt.Sprintf("%s: %s%s; %s", cells, reasons[0], more, skipCure(r.Records[0]))
}

// skipCure is how a cell that was skipped as rec was comes to be tested.
func skipCure(rec Record) string {
	switch {
	case rec.Code == CodeInTree:
		return "without --defer-in-tree it is tested all the same"
	case rec.Code == CodeConfigMissing:
		return "choose kernels that have it with -k"
	case rec.Code == CodeNoHardware:
		return "nothing of it was tested"
	case rec.Stage == StageTest:
		return "choose kernels that its specs are for with -k, or other specs with --focus or --suite"
	}
	return "choose kernels that the module is for with -k"
}

// Why is the reason in one line; a record without one is described by its code, and is never silent.
func (rec Record) Why() string {
	return cmp.Or(Plain(rec.Reason), Plain(string(rec.Code)), string(rec.Status)+" without a reason")
}
