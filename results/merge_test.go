package results

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// shardOf is part n of a run that was divided into some, with what pick says of each cell; an empty status is no record.
func shardOf(run string, n, shards int, pick func(cell int) Status) *Results {
	plan := &Planned{Suites: []string{"lifecycle", "b"}, Shards: shards}
	for i := range 4 {
		plan.Targets = append(plan.Targets, cell(fmt.Sprintf("6.%d.0-amd64", i), "").Target)
	}
	r := &Results{Run: Run{ID: run, Started: time.Date(2026, 11, 22, 12, n, 0, 0, time.UTC), Tool: "modmatrix 0.1.0", PlanDigest: "sha256:00", Host: Host{Arch: "x86_64", Accelerator: "tcg"}, Shard: n, Planned: plan},
		Module: Module{Name: "mydriver", SourceDigest: "sha256:11"}}
	for i, t := range plan.Targets {
		for j, s := range plan.Suites {
			if status := pick(2*i + j); status != "" {
				r.Records = append(r.Records, Record{Target: t, Suite: s, Status: status, Reason: run, Specs: []Spec{}, Splats: []Splat{}, Artifacts: Artifacts{Console: "cells/" + t.Release + "/console.log"}})
			}
		}
	}
	r.Finish()
	return r
}

func merged(t *testing.T, all ...*Results) *Results {
	t.Helper()
	var parts []Part
	for _, r := range all {
		parts = append(parts, Part{r.Run.ID, r})
	}
	m, _, err := Merge(parts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func document(t *testing.T, r *Results) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(bytes.NewReader(b.Bytes())); err != nil {
		t.Fatalf("what was merged cannot be read: %v", err)
	}
	return b.String()
}

// Merging is associative, free of order, and idempotent, whatever the parts hold.
func TestMergeIsTheSameInAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var all []*Results
		for n := range 5 {
			all = append(all, shardOf(fmt.Sprintf("run%d", n), 1+random.IntN(3), 3, func(int) Status {
				return append(slices.Clone(Statuses), "", "", "")[random.IntN(8)]
			}))
		}
		want := document(t, merged(t, all...))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for name, got := range map[string]*Results{
			"another order": merged(t, all...), "one twice": merged(t, append(all, all[0])...), "itself": merged(t, merged(t, all...)),
			"in steps": merged(t, merged(t, all[:2]...), merged(t, all[2:]...)), "in other steps": merged(t, all[0], merged(t, merged(t, all[1:3]...), all[3], all[4], all[1])),
		} {
			if document(t, got) != want {
				t.Fatalf("%s gives another document", name)
			}
		}
	}
}

// The parts of a run add up to the run, and the worst of several verdicts counts.
func TestMergeIsTheWhole(t *testing.T) {
	of := func(run string, n int, status Status) *Results {
		return shardOf(run, n, 2, func(c int) Status {
			if c%2 == n-1 {
				return status
			}
			return ""
		})
	}
	m := merged(t, of("a", 1, Pass), of("b", 2, Pass))
	if m.ExitCode() != ExitPass || len(m.Records) != 8 || m.Run.Merged[1].Run != "b" {
		t.Errorf("two halves that pass: exit code %d, %d records", m.ExitCode(), len(m.Records))
	}
	if got := m.Records[0]; got.Origin.Run != "a" || got.Artifacts.Console != "runs/a/cells/6.0.0-amd64/console.log" {
		t.Errorf("%+v", got)
	}
	m = merged(t, of("a", 1, Pass), of("b", 2, Pass), of("c", 1, Fail))
	if err := valid(t, "results.schema.json", []byte(document(t, m))); err != nil {
		t.Error(err)
	}
	if got := m.Records[0]; m.ExitCode() != ExitFail || got.Status != Fail || len(got.Others) != 1 || got.Others[0].Status != Pass || got.Others[0].Origin.Run != "a" {
		t.Errorf("%+v", got)
	}
}

func TestMergeFindsWhatIsMissing(t *testing.T) {
	a := shardOf("a", 1, 3, func(c int) Status { return map[bool]Status{true: Pass}[c == 0] })
	twin := shardOf("twin", 1, 3, func(c int) Status { return "" })
	twin.Records = a.Records
	m, notes, err := Merge([]Part{{"a", a}, {"b", twin}})
	if err != nil {
		t.Fatal(err)
	}
	if m.Summary[Miss] != 7 || m.ExitCode() != ExitTrouble || !strings.Contains(m.Records[1].Reason, "shard 2, 3 of 3 is missing") || m.Records[1].Code != CodeMissing {
		t.Errorf("%v, %+v", m.Summary, m.Records[1])
	}
	if all := strings.Join(notes, "\n"); !strings.Contains(all, "shard 2, 3 of 3 is missing") || !strings.Contains(all, "shard 1 of 3 is there 2 times, by the runs a, twin") {
		t.Errorf("%q", notes)
	}
}

func TestMergeRefusesWhatDoesNotBelong(t *testing.T) {
	for what, change := range map[string]func(*Results){
		"by the version": func(r *Results) { r.Run.Tool = "modmatrix 0.2.0" }, "with the plan": func(r *Results) { r.Run.PlanDigest = "sha256:99" },
		"of the source": func(r *Results) { r.Module.SourceDigest = "sha256:99" },
	} {
		a, b := everything(), everything()
		change(b)
		if _, _, err := Merge([]Part{{"out1", a}, {"out2", b}}); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "out2") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Every field of a document that holds something comes through a merge, but for what was held against a part of the kernels.
func TestMergeLosesNothing(t *testing.T) {
	r := everything()
	m := merged(t, r)
	for i, rec := range m.Records {
		want := r.Records[i]
		rec.Origin, want.Artifacts, rec.Artifacts = nil, Artifacts{}, Artifacts{}
		if !reflect.DeepEqual(rec, want) {
			t.Errorf("%+v\nwas %+v", rec, want)
		}
	}
}
