package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

func planCommand(a *app) *cobra.Command {
	var s specFlags
	cmd := &cobra.Command{
		Use:   "plan [MODULE]",
		Short: "Say what run would do, and do none of it",
		Long: `Plan resolves the selectors and looks at the module and the suites: it downloads no kernel, builds nothing and
boots nothing. It takes the flags of run, also those that only matter to what it does not do.`,
		Example: `  modmatrix plan
  modmatrix plan -k debian:trixie-backports@7 --json drv`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := s.spec(cmd, args)
			if err != nil {
				return err
			}
			return a.plan(cmd.Context(), spec)
		},
	}
	s.whichKernels(cmd)
	s.whichSuites(cmd)
	s.whatToRun(cmd)
	s.output(cmd)
	return cmd
}

func (a *app) plan(ctx context.Context, spec harness.Spec) error {
	w := a.watch(ctx)
	defer w.close()
	h, err := a.open(harness.Options{Events: w.event, Tool: toolName()})
	if err != nil {
		return err
	}
	p, err := h.Plan(ctx, spec)
	w.close()
	if err != nil {
		return err
	}
	defer p.Close()
	if a.json {
		return json.NewEncoder(a.Stdout).Encode(struct {
			*harness.Plan
			Digest  string         `json:"digest"`
			Cells   []results.Cell `json:"cells"`
			Notices []string       `json:"notices,omitempty"`
		}{p, p.Digest(), p.Cells(), p.Notices})
	}
	return a.showPlan(h.Store(), p)
}

func (a *app) showPlan(st *store.Store, p *harness.Plan) error {
	var suites []string
	for _, s := range p.Suites {
		suites = append(suites, results.Plain(s.Name))
	}
	fmt.Fprintf(a.Stdout, "%s · %s: %s × %s\n\n", results.Plain(p.Module.Name), plural(len(p.Cells()), "cell"),
		plural(len(p.Targets)+len(p.Unresolved), "kernel"), strings.Join(suites, ", "))
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  KERNEL\tFROM\tDOWNLOAD")
	for _, t := range p.Targets {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", results.Plain(harness.Label(t)), results.Plain(t.Source), download(st, t))
	}
	for _, u := range p.Unresolved {
		fmt.Fprintf(w, "  %s\t%s\tMISS\n", results.Plain(u.Label()), results.Plain(u.Selector))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, u := range p.Unresolved {
		fmt.Fprintf(a.Stderr, "MISS  %s\n", results.Plain(u.Reason))
	}
	for _, n := range p.Notices {
		fmt.Fprintf(a.Stderr, "note  %s\n", results.Plain(n))
	}
	return nil
}

// download says how much of a kernel is to be downloaded.
func download(st *store.Store, t kernels.Target) string {
	switch {
	case harness.Stored(st, t):
		return "in the store"
	case downloadSize(t) == 0:
		return "–"
	}
	return megabytes(downloadSize(t))
}

// downloadSize is what the kernel's packages weigh, in bytes, if none of them is in the store.
func downloadSize(t kernels.Target) int64 {
	var sum int64
	for _, p := range t.Packages {
		sum += p.Size
	}
	return sum
}
