package harness

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

func TestShardOf(t *testing.T) {
	for _, tc := range []struct {
		text string
		env  map[string]string
		i, n int
		err  string
	}{
		{"2/5", nil, 2, 5, ""}, {"1/1", nil, 1, 1, ""},
		{"0/5", nil, 0, 0, "it is I/N"}, {"6/5", nil, 0, 0, "it is I/N"}, {"a/b", nil, 0, 0, "it is I/N"}, {"2", nil, 0, 0, "it is I/N"},
		{"auto", map[string]string{"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "5"}, 2, 5, ""},
		{"auto", map[string]string{"BUILDKITE_PARALLEL_JOB": "0", "BUILDKITE_PARALLEL_JOB_COUNT": "4"}, 1, 4, ""},
		{"auto", map[string]string{"CIRCLE_NODE_INDEX": "3", "CIRCLE_NODE_TOTAL": "4"}, 4, 4, ""},
		{"auto", map[string]string{"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "4"}, 3, 4, ""},
		{"auto", map[string]string{"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "3"}, 1, 3, ""},
		{"auto", map[string]string{"JOB_COMPLETION_INDEX": "0"}, 0, 0, "nothing sets JOB_COMPLETIONS"},
		{"auto", map[string]string{"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "4"}, 0, 0, "steps of one"},
		{"auto", map[string]string{"CI_NODE_INDEX": "x", "CI_NODE_TOTAL": "4"}, 0, 0, "no part of a whole"},
		{"auto", nil, 0, 0, "give --shard I/N"},
	} {
		i, n, err := shardOf(tc.text, func(name string) string { return tc.env[name] })
		if tc.err == "" && (err != nil || i != tc.i || n != tc.n) || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("%s %v: %d/%d, %v", tc.text, tc.env, i, n, err)
		}
	}
}

// Each kernel is in one shard, the longest are apart, and a division is the same each time.
func TestDividedIsFair(t *testing.T) {
	weights := map[string]time.Duration{}
	for i := range 40 {
		weights[fmt.Sprintf("6.%d.0-amd64", i)] = time.Duration(i+1) * time.Second
	}
	of := divided(weights, 4)
	load := map[int]time.Duration{}
	for label, n := range of {
		load[n] += weights[label]
	}
	all := slices.Sorted(maps.Values(load))
	if len(of) != 40 || len(load) != 4 || all[3]-all[0] > 2*time.Second || !maps.Equal(of, divided(weights, 4)) {
		t.Errorf("%d kernels, loads %v", len(of), load)
	}
	clear(load)
	for i := range 40 {
		weights[fmt.Sprintf("6.%d.0-amd64", i)] = unknown
	}
	for _, n := range divided(weights, 4) {
		load[n]++
	}
	if !maps.Equal(load, map[int]time.Duration{1: 10, 2: 10, 3: 10, 4: 10}) {
		t.Errorf("of what never ran: %v", load)
	}
}

// The shards of a run, merged, are the run: the same cells with the same verdicts, under the same digest of the plan.
func TestShardsAddUp(t *testing.T) {
	f := newFixture(t, "call pass\npoweroff\n")
	f.spec.Kernels = Selectors("debian:old", "debian:young", "debian:third", "debian:fourth", "debian:offline")
	whole, err := f.run(t, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := f.spec.Out
	var parts []results.Part
	for i := 1; i <= 3; i++ {
		f.spec.Out, f.spec.Shard = filepath.Join(out, fmt.Sprint("shard", i)), fmt.Sprintf("%d/3", i)
		part, err := f.run(t, t.Context()) // one after the other: what one takes must move no kernel
		if err != nil {
			t.Fatal(err)
		}
		if n := len(part.Records); n < 1 || n > 3 {
			t.Errorf("shard %d has %d cells of 5", i, n)
		}
		parts = append(parts, results.Part{Name: fmt.Sprint(i), Results: part})
	}
	merged, notes, err := results.Merge(parts)
	if err != nil || len(notes) > 0 || merged.Run.PlanDigest != whole.Run.PlanDigest || summary(merged) != summary(whole) {
		t.Errorf("%v %v\n%s\nand undivided\n%s", err, notes, summary(merged), summary(whole))
	}
	if merged, notes, err = results.Merge(parts[1:]); err != nil || len(notes) != 1 || merged.Summary[results.Miss] < 1 || len(merged.Records) != 5 {
		t.Errorf("without the first: %v, %v, %v", merged.Summary, notes, err)
	}

	f.spec.Shard = "6/6"
	if _, err := f.Plan(t.Context(), f.spec); !errors.Is(err, ErrNothingMatched) || !strings.Contains(err.Error(), "divide by fewer") {
		t.Errorf("a shard without a kernel: %v", err)
	}
	f.spec.Shard = "7/6"
	if _, err := f.Plan(t.Context(), f.spec); !errors.As(err, new(*UsageError)) {
		t.Errorf("no shard: %v", err)
	}
}
