package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func planCommand(a *app) *cobra.Command {
	var s specFlags
	var format string
	var shards int
	cmd := s.verb("plan", func(cmd *cobra.Command, _ []string, spec harness.Spec) error {
		switch _, ok := engineJobs[format]; {
		case format != "text" && format != "json" && !ok:
			return usage("--format %q: it is text, json, github or gitlab", format)
		case ok && spec.Shard != "":
			return usage("--format %s divides the plan itself: leave --shard away", format)
		case shards < 0:
			return usage("--shards %d: it is a number of jobs", shards)
		}
		return a.plan(cmd.Context(), spec, format, shards)
	})
	s.ofRun(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT`: text, json, or for a CI the jobs to start: github, gitlab")
	cmd.Flags().IntVar(&shards, "shards", 0, "`N` jobs at most, with --format github or gitlab (default: one for each kernel)")
	return cmd
}

// engineJobs are the most jobs that a CI takes of one matrix (docs.github.com, "Usage limits"; docs.gitlab.com, "parallel:matrix").
var engineJobs = map[string]int{"github": 256, "gitlab": 200}

func (a *app) plan(ctx context.Context, spec harness.Spec, format string, shards int) error {
	w := a.watch(ctx)
	return a.planned(ctx, w, spec, func(h *harness.Harness, p *harness.Plan) error {
		w.close()
		if most := engineJobs[format]; most > 0 {
			if shards == 0 || shards > most {
				shards = most
			}
			return a.encode(jobsOf(format, h.Division(p, shards)))
		}
		if a.json || format == "json" {
			return a.encode(struct {
				*harness.Plan
				Digest  string         `json:"digest"`
				Cells   []results.Cell `json:"cells"`
				Notices []string       `json:"notices,omitempty"`
			}{p, p.Digest(), p.Cells(), p.Notices})
		}
		return a.showPlan(h.Store(), p)
	})
}

// jobsOf is the matrix that a CI takes, with a job for each shard.
func jobsOf(format string, shards [][]string) any {
	type job struct {
		ID      string `json:"id"`
		Shard   string `json:"shard"` // for --shard
		Kernels string `json:"kernels"`
	}
	var jobs []job
	var names []string
	for i, kernels := range shards {
		shard := fmt.Sprintf("%d/%d", i+1, len(shards))
		id := fmt.Sprintf("%d-of-%d", i+1, len(shards))
		if len(kernels) == 1 {
			id = results.Plain(kernels[0])
		}
		jobs, names = append(jobs, job{id, shard, results.Plain(strings.Join(kernels, " "))}), append(names, shard)
	}
	if format == "github" {
		return map[string]any{"include": jobs}
	}
	return map[string]any{"parallel": map[string]any{"matrix": []any{map[string]any{"SHARD": names}}}}
}

func (a *app) showPlan(st *store.Store, p *harness.Plan) error {
	var kernels []report.Planned
	for _, t := range p.Targets {
		kernels = append(kernels, report.Planned{Kernel: harness.Label(t), Arch: t.Arch, From: t.Source, Download: download(st, t)})
	}
	for _, u := range p.Unresolved {
		kernels = append(kernels, report.Planned{Kernel: u.Label(), From: u.Selector, Download: string(results.Miss)})
	}
	if err := report.Plan(a.Stdout, p.Module.Name, p.Cells(), kernels); err != nil {
		return err
	}
	for _, u := range p.Unresolved {
		fmt.Fprintf(a.Stderr, "MISS  %s\n", results.Plain(u.Reason))
	}
	a.note(p.Notices...)
	return nil
}

func download(st *store.Store, t kernels.Target) string {
	var size int64
	for _, p := range t.Packages {
		size += p.Size
	}
	switch {
	case harness.Stored(st, t):
		return "in the store"
	case size == 0:
		return "–"
	}
	return report.Bytes(size)
}
