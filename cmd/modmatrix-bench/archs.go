package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results/arch"
	"github.com/modmatrix/modmatrix/vm"
)

// manyArchs is how many architectures a matrix is measured of, the most usual ones.
const manyArchs = 6

// archKernels are the kernels of these: of Debian 12, which has the most, and Debian 13's where that has none.
func (b *bench) archKernels(ctx context.Context) (selectors []string, err error) {
	for _, a := range arch.All()[:manyArchs] {
		for _, suite := range []string{"bookworm", "trixie"} {
			sel := kernels.Selector{Source: "debian", Name: suite, Arch: a.Debian}
			if _, err = b.h.Ask(ctx, harness.Spec{}, []kernels.Selector{sel}); err == nil {
				selectors = append(selectors, sel.String())
				break
			}
			if !errors.Is(err, harness.ErrNothingMatched) {
				return nil, err
			}
		}
	}
	return selectors, err
}

// archs measures the driver with both of its suites on several architectures, and on each foreign one what a clone and a build cost.
func (b *bench) archs(ctx context.Context) ([]Row, error) {
	tool, module, err := b.toolAndModule(ctx)
	if err != nil {
		return nil, err
	}
	spec := b.spec(module)
	spec.Suites = []string{harness.Lifecycle, filepath.Join(b.driver, "suites", "fifo")}
	if spec.Kernels, err = b.archKernels(ctx); err != nil {
		return nil, err
	}
	plan, res, err := runMatrix(ctx, b.h, spec) // what is made only once is there after it
	if err := allPass(res, err); err != nil {
		return nil, err
	}
	changed, unchanged, err := b.changes(ctx, tool, spec)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d architectures, 2 suites, ", len(plan.Targets))
	first := figure(name+"module changed, the rest warm", "", measure.Median(changed), Seconds, "a fresh process, from start to end").atMost(40)
	first.Samples = map[string][]float64{"run": changed}
	rows := []Row{first, asBefore(name, unchanged)}
	own := len(b.rigs)
	defer func() { b.rigs = b.rigs[:own] }()
	if err := b.makeRigs(ctx, plan.Targets); err != nil {
		return rows, err
	}
	for _, r := range b.rigs[own:] {
		more, err := b.foreign(ctx, r)
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("on %s: %w", r.release(), err)
		}
	}
	return rows, nil
}

// foreign measures a clone, where there are any, and a build for another machine.
func (b *bench) foreign(ctx context.Context, r *rig) (rows []Row, err error) {
	a, ok := arch.OfMachine(r.tree.Target.Arch)
	if !ok || a.Name == vm.HostArch() {
		return nil, nil
	}
	if a.QEMU.NoTemplate == "" {
		if rows, err = b.boot(ctx, r); err != nil {
			return rows, err
		}
	}
	more, err := b.build(ctx, r)
	return append(rows, more...), err
}
