package results

import (
	"cmp"
	"slices"
	"strings"
)

// ChangeKind says what became of a cell between two runs.
type ChangeKind string

// The kinds, in the order in which a reader wants them. A cell that is what it was is of none.
const (
	Regressed ChangeKind = "regressed"    // it fails, and did not
	Lost      ChangeKind = "lost"         // it was tested, and is not any more
	Reason    ChangeKind = "other reason" // it fails as before, for another reason
	Flaky     ChangeKind = "flaky"        // it fails and passes on the same kernel
	New       ChangeKind = "new"          // there was no such cell
	Gone      ChangeKind = "gone"         // there is no such cell any more
	Fixed     ChangeKind = "fixed"        // it failed, and passes
	Back      ChangeKind = "tested again" // it was not tested, and passes
)

// ChangeKinds lists them.
var ChangeKinds = []ChangeKind{Regressed, Lost, Reason, Flaky, New, Gone, Fixed, Back}

// CellChange is a cell that is not what it was.
type CellChange struct {
	Kind ChangeKind `json:"kind"`
	Old  *Record    `json:"old,omitempty"` // nil: new
	New  *Record    `json:"new,omitempty"` // nil: gone
}

// Cell is the cell that changed, as the newer run has it where it does.
func (c CellChange) Cell() Record {
	if c.New != nil {
		return *c.New
	}
	return *c.Old
}

// Diff lists the cells that changed from one run to another, by kind, then in the order of the matrix. Cells of the same kernel
// belong together; so do those of a kernel and of one that has come in its place in the same series of the same source.
func Diff(old, new *Results) (changes []CellChange) {
	was := map[recordKey]Record{}
	for _, rec := range old.Matrix().Records() {
		was[rec.key()] = rec
	}
	now := new.Matrix().Records()
	var unmatched []Record
	for _, rec := range now {
		if before, ok := was[rec.key()]; ok {
			changes = append(changes, changed(before, rec)...)
			delete(was, rec.key())
		} else {
			unmatched = append(unmatched, rec)
		}
	}
	heirs := inPlaces(was)
	for _, rec := range unmatched {
		if before, ok := heirs[rec.place()]; ok && slices.IndexFunc(unmatched, func(r Record) bool { return r.place() == rec.place() && r.key() != rec.key() }) < 0 {
			changes = append(changes, changed(before, rec)...)
			delete(was, before.key())
		} else {
			changes = append(changes, CellChange{New, nil, &rec})
		}
	}
	for _, rec := range old.Matrix().Records() {
		if _, left := was[rec.key()]; left {
			changes = append(changes, CellChange{Gone, &rec, nil})
		}
	}
	slices.SortStableFunc(changes, func(a, b CellChange) int {
		return cmp.Or(cmp.Compare(slices.Index(ChangeKinds, a.Kind), slices.Index(ChangeKinds, b.Kind)), compareTargets(a.Cell().Target, b.Cell().Target))
	})
	return changes
}

// inPlaces is the one record of each place that has only one.
func inPlaces(records map[recordKey]Record) map[recordKey]Record {
	one, several := map[recordKey]Record{}, map[recordKey]bool{}
	for _, rec := range records {
		if _, there := one[rec.place()]; there {
			several[rec.place()] = true
		}
		one[rec.place()] = rec
	}
	for place := range several {
		delete(one, place)
	}
	return one
}

// place is what stays of a cell when its kernel is replaced by the next of its series.
func (rec Record) place() recordKey {
	source, _, _ := strings.Cut(rec.Target.Source, "@")
	version := strings.SplitN(rec.Target.Version, ".", 3)
	return recordKey{Target{Version: strings.Join(version[:min(2, len(version))], "."), Arch: rec.Target.Arch, Flavour: rec.Target.Flavour, Profile: rec.Target.Profile, Source: source}, rec.Suite}
}

// changed compares two records of one cell; it is empty where nothing changed.
func changed(old, new Record) []CellChange {
	kind := ChangeKind("")
	untested := func(s Status) bool { return s == Error || s == Miss }
	switch {
	case new.Flaky && !old.Flaky:
		kind = Flaky
	case new.Status == Fail && old.Status == Fail && new.cause() != old.cause():
		kind = Reason
	case new.Status == old.Status:
	case new.Status == Fail:
		kind = Regressed
	case !untested(old.Status) && untested(new.Status), old.Status == Pass && new.Status == Skip:
		kind = Lost
	case old.Status == Fail:
		kind = Fixed
	case new.Status == Pass: // it was skipped, or not tested
		kind = Back
	}
	if kind == "" {
		return nil
	}
	return []CellChange{{kind, &old, &new}}
}

// cause identifies a failure across runs: the fingerprints of its faults, else the specs that failed, else its reason.
func (rec Record) cause() string {
	var marks []string
	for _, s := range rec.Splats {
		if s.Fingerprint != "" {
			marks = append(marks, s.Fingerprint)
		}
	}
	if len(marks) == 0 && rec.Code == CodeSpecFailed {
		for _, s := range rec.Specs {
			if s.Status == Fail {
				marks = append(marks, s.Name)
			}
		}
	}
	if len(marks) == 0 {
		marks = []string{rec.Reason}
	}
	slices.Sort(marks)
	return strings.Join(append([]string{string(rec.Stage), string(rec.Code)}, slices.Compact(marks)...), "\n")
}
