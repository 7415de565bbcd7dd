package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func planCommand(a *app) *cobra.Command {
	var s specFlags
	cmd := s.verb("plan", func(cmd *cobra.Command, _ []string, spec harness.Spec) error {
		return a.plan(cmd.Context(), spec)
	})
	s.ofRun(cmd)
	return cmd
}

func (a *app) plan(ctx context.Context, spec harness.Spec) error {
	w := a.watch(ctx)
	return a.planned(ctx, w, spec, func(h *harness.Harness, p *harness.Plan) error {
		w.close()
		if a.json {
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

func (a *app) showPlan(st *store.Store, p *harness.Plan) error {
	var kernels []report.Planned
	for _, t := range p.Targets {
		kernels = append(kernels, report.Planned{Kernel: harness.Label(t), From: t.Source, Download: download(st, t)})
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
