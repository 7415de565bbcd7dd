package results

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Planned is all that a divided run was planned to do, which every part of it says, so that a part that is missing is seen.
type Planned struct {
	Targets []Target `json:"targets"` // in the order of the matrix
	Suites  []string `json:"suites"`
	Shards  int      `json:"shards"` // into how many parts it was divided
}

// Origin is the run that a record of merged results comes from.
type Origin struct {
	Run     string    `json:"run"` // its id
	Started time.Time `json:"started"`
	Host    Host      `json:"host"`
	Shard   int       `json:"shard,omitempty"` // of Planned.Shards, from 1; zero: the run was not divided
}

// Part is a document to merge, with the name that an error or a note calls it by.
type Part struct {
	Name    string
	Results *Results
}

// Merge adds documents up to one: parts of a divided run, or the same run on several machines. Of a cell that is there several
// times, the worst record counts, and the others stay below it. A planned cell that nobody has is a MISS. It does not matter in which
// order documents are merged, how often one is given, or whether some were merged before. Documents of another plan, source or
// version are refused. Notes say what a reader should know: shards that are missing, or there twice.
func Merge(parts []Part) (*Results, []string, error) {
	if len(parts) == 0 {
		return nil, nil, errors.New("there is nothing to merge")
	}
	for _, p := range parts[1:] {
		if err := p.fits(parts[0]); err != nil {
			return nil, nil, err
		}
	}
	origins, cells := map[string]Origin{}, map[recordKey][]Record{}
	for _, p := range parts {
		for _, o := range p.Results.origins() {
			origins[o.Run] = o
		}
		for _, rec := range p.Results.Records {
			if rec.Code != CodeMissing { // it is found again below, if it still is
				for _, one := range p.Results.verdicts(rec) {
					cells[one.key()] = append(cells[one.key()], one)
				}
			}
		}
	}
	merged := &Results{Run: mergedRun(parts, slices.Collect(maps.Values(origins))), Module: mergedModule(parts)}
	for _, all := range cells {
		merged.Records = append(merged.Records, worstFirst(all))
	}
	notes := merged.complete()
	merged.order()
	merged.Finish()
	return merged, notes, nil
}

// Join adds documents of one source up that answer several questions: other kernels, other plans. Those with the same plan are
// merged first. Of a cell that several have, the worst record counts.
func Join(parts []Part) (*Results, []string, error) {
	if len(parts) == 1 {
		return parts[0].Results, nil, nil
	}
	var plans []Part
	var notes []string
	for _, same := range grouped(parts, func(p Part) [2]string { return [2]string{p.Results.Run.Tool, p.Results.Run.PlanDigest} }) {
		merged, said, err := Merge(same)
		if err != nil {
			return nil, nil, err
		}
		plans, notes = append(plans, Part{same[0].Name, merged}), append(notes, said...)
	}
	if len(plans) == 1 {
		return plans[0].Results, notes, nil
	}
	joined := &Results{Module: mergedModule(plans)}
	var origins []Origin
	for _, p := range plans {
		if a, b := plans[0].Results.Module.SourceDigest, p.Results.Module.SourceDigest; a != b {
			return nil, nil, fmt.Errorf("%s is of the source %s, and %s of %s: they do not belong together", Plain(p.Name), Plain(b), Plain(plans[0].Name), Plain(a))
		}
		origins = append(origins, p.Results.origins()...)
	}
	joined.Run = mergedRun(plans, origins)
	joined.Run.Planned, joined.Run.PlanDigest = nil, ""
	for _, same := range grouped(recordsOf(plans), Record.key) {
		joined.Records = append(joined.Records, worstFirst(same))
	}
	joined.order()
	joined.Finish()
	return joined, notes, nil
}

// recordsOf lists all verdicts of merged documents; what no part of one has, has no origin, and gets one.
func recordsOf(parts []Part) (all []Record) {
	for _, p := range parts {
		for _, rec := range p.Results.Records {
			all = append(all, p.Results.verdicts(rec)...)
		}
	}
	return all
}

// fits says why two documents do not answer the same question.
func (p Part) fits(first Part) error {
	a, b := first.Results, p.Results
	for _, same := range []struct{ what, a, b string }{
		{"by the version", a.Run.Tool, b.Run.Tool}, {"of the source", a.Module.SourceDigest, b.Module.SourceDigest}, {"with the plan", a.Run.PlanDigest, b.Run.PlanDigest},
	} {
		if same.a != same.b {
			return fmt.Errorf("%s was made %s %s, and %s %[2]s %[5]s: they do not belong together", Plain(p.Name), same.what, Plain(same.b), Plain(first.Name), Plain(same.a))
		}
	}
	return nil
}

// origins are the runs that r is of.
func (r *Results) origins() []Origin {
	if len(r.Run.Merged) > 0 {
		return r.Run.Merged
	}
	return []Origin{{r.Run.ID, r.Run.Started, r.Run.Host, r.Run.Shard}}
}

// verdicts lists a record of r and those below it, each with its origin, and its files where they lie beside merged results.
func (r *Results) verdicts(rec Record) (all []Record) {
	others := rec.Others
	rec.Others = nil
	if rec.Origin == nil {
		o := r.origins()[0]
		rec.Origin = &o
		rec.MoveFiles(o.Path)
	}
	return append([]Record{rec}, others...)
}

// worstFirst makes one record of all of a cell, once for each run.
func worstFirst(all []Record) Record {
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Status.rank(), b.Status.rank()), a.Origin.Started.Compare(b.Origin.Started), cmp.Compare(a.Origin.Run, b.Origin.Run), bytes.Compare(bytesOf(a), bytesOf(b)))
	})
	seen := map[string]bool{}
	all = slices.DeleteFunc(all, func(rec Record) bool {
		again := seen[rec.Origin.Run]
		seen[rec.Origin.Run] = true
		return again
	})
	first := all[0]
	if len(all) > 1 {
		first.Others = all[1:]
	}
	return first
}

func bytesOf(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data: cannot happen
	}
	return data
}

func mergedRun(parts []Part, origins []Origin) Run {
	slices.SortFunc(origins, func(a, b Origin) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Run, b.Run)) })
	sum := sha256.New()
	for _, o := range origins {
		fmt.Fprintf(sum, "%s\n", o.Run)
	}
	run := Run{ID: fmt.Sprintf("merged-%x", sum.Sum(nil)[:8]), Started: origins[0].Started, Tool: parts[0].Results.Run.Tool, PlanDigest: parts[0].Results.Run.PlanDigest,
		Host: origins[0].Host, Merged: origins}
	for _, o := range origins {
		for _, field := range []struct {
			all *string
			one string
		}{{&run.Host.Arch, o.Host.Arch}, {&run.Host.Accelerator, o.Host.Accelerator}, {&run.Host.CPUModel, o.Host.CPUModel}, {&run.Host.QEMU, o.Host.QEMU}, {&run.Host.Distribution, o.Host.Distribution}} {
			if *field.all != field.one {
				*field.all = "several"
			}
		}
	}
	for _, p := range parts { // the same one whatever the order
		if r := p.Results.Run; bytes.Compare(bytesOf(r.Asked), bytesOf(run.Asked)) > 0 {
			run.Asked = r.Asked
		}
		if run.Planned == nil {
			run.Planned = p.Results.Run.Planned
		}
	}
	return run
}

// mergedModule is what the part that knows most says of the module: one that built nothing does not know its version.
func mergedModule(parts []Part) (best Module) {
	for _, p := range parts {
		m := p.Results.Module
		m.Claims = nil // held against a part of the kernels
		if cmp.Or(cmp.Compare(m.Version, best.Version), bytes.Compare(bytesOf(m), bytesOf(best))) > 0 {
			best = m
		}
	}
	return best
}

// complete adds a MISS for each planned cell that r has no record of, and says which parts are missing or there twice.
func (r *Results) complete() (notes []string) {
	plan := r.Run.Planned
	if plan == nil {
		return nil
	}
	runs := map[int][]string{}
	for _, o := range r.Run.Merged {
		runs[o.Shard] = append(runs[o.Shard], o.Run)
	}
	var absent []string
	for n := 1; n <= plan.Shards; n++ {
		if len(runs[n]) == 0 && len(runs[0]) == 0 {
			absent = append(absent, fmt.Sprint(n))
		} else if len(runs[n]) > 1 {
			notes = append(notes, fmt.Sprintf("shard %d of %d is there %d times, by the runs %s: of each cell the worst record counts", n, plan.Shards, len(runs[n]), Plain(strings.Join(runs[n], ", "))))
		}
	}
	why := fmt.Sprintf("none of the %d shards has a record of it", plan.Shards)
	if len(absent) > 0 {
		why = fmt.Sprintf("shard %s of %d is missing", strings.Join(absent, ", "), plan.Shards)
		notes = append(notes, why+": its cells are MISS")
	}
	have := map[recordKey]bool{}
	for _, rec := range r.Records {
		have[rec.key()] = true
	}
	for _, t := range plan.Targets {
		for _, s := range plan.Suites {
			if rec := (Record{Target: t, Suite: s, Status: Miss, Code: CodeMissing, Reason: why}); !have[rec.key()] {
				r.Records = append(r.Records, rec)
			}
		}
	}
	return notes
}

// order puts suites into the order of the plan, or of their names, which Finish keeps.
func (r *Results) order() {
	place := func(s string) int { return -1 }
	if r.Run.Planned != nil {
		place = func(s string) int { return slices.Index(r.Run.Planned.Suites, s) }
	}
	slices.SortStableFunc(r.Records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(place(a.Suite), place(b.Suite)), cmp.Compare(a.Suite, b.Suite), compareTargets(a.Target, b.Target))
	})
}
