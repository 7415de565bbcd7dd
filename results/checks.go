package results

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Checks is the suite of the static checks: each of its specs is a tool that read or compiled the source for that kernel. No guest is
// needed, and nothing is said of how the module works.
const Checks = "checks"

// Static reports whether rec is of the static checks: what a kernel does with the module is no part of it.
func (rec Record) Static() bool { return rec.Suite == Checks }

// Finding is what a static check says of one place in the source.
type Finding struct {
	Where   string `json:"where"`         // file:line, or the file alone, below the module's folder; empty where it is of no file
	Level   Level  `json:"level"`         // how bad the tool says it is
	Kind    string `json:"kind"`          // what it is of, in the tool's own word, e.g. LONG_LINE or -Wunused-variable
	Message string `json:"message"`       // one line
	New     bool   `json:"new,omitempty"` // the last run that had this check on this kernel, or on the one before it of its series, did not say so
}

// Level says how bad a finding is, by the tool that made it.
type Level string

// The levels, the worst first.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
	LevelNote    Level = "note" // checkpatch calls it a CHECK
)

// Levels lists them.
var Levels = []Level{LevelError, LevelWarning, LevelNote}

// Worse reports whether l is at least as bad as least. A level that nobody knows is as bad as an error.
func (l Level) Worse(least Level) bool { return l.rank() <= least.rank() }

func (l Level) rank() int { return max(0, slices.Index(Levels, l)) }

// File is the file that f is in; empty where it is in none.
func (f Finding) File() string {
	file, _, _ := strings.Cut(f.Where, ":")
	return file
}

// mark stands for f across runs: its line moves with each change above it, and counts for nothing.
func (f Finding) mark() string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join([]string{f.File(), f.Kind, f.Message}, "\n"))))[:12]
}

// marks stand for the findings of s.
func (s Spec) marks() []string {
	if s.Known != nil {
		return s.Known
	}
	var all []string
	for _, f := range s.Findings {
		all = append(all, f.mark())
	}
	return all
}

// markNew marks the findings that before, an earlier record of the same cell, does not have. Of several that are the same but for their
// lines, as many are new as there were not.
func (rec *Record) markNew(before Record) {
	known := map[string]int{}
	for _, s := range before.Specs {
		for _, m := range s.marks() {
			known[s.Name+" "+m]++
		}
	}
	rec.Specs = slices.Clone(rec.Specs)
	for i, s := range rec.Specs {
		rec.Specs[i].Findings = slices.Clone(s.Findings)
		for j, f := range s.Findings {
			key := s.Name + " " + f.mark()
			rec.Specs[i].Findings[j].New = known[key] == 0
			known[key] = max(0, known[key]-1)
		}
	}
}

// KindCount is how many findings there are of a kind.
type KindCount struct {
	Kind  string
	Count int
	New   int // of Count
}

// Kinds counts findings by their kinds, the most frequent first.
func Kinds(findings []Finding) (all []KindCount) {
	for _, f := range findings {
		i := slices.IndexFunc(all, func(k KindCount) bool { return k.Kind == f.Kind })
		if i < 0 {
			i = len(all)
			all = append(all, KindCount{Kind: f.Kind})
		}
		all[i].Count++
		if f.New {
			all[i].New++
		}
	}
	slices.SortStableFunc(all, func(a, b KindCount) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Kind, b.Kind)) })
	return all
}

// CountLevel counts the findings of a level.
func CountLevel(findings []Finding, level Level) (n int) {
	for _, f := range findings {
		if f.Level == level {
			n++
		}
	}
	return n
}
