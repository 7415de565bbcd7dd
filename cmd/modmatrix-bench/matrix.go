package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/results"
)

// matrix times whole runs with kernels, templates and suites warm: first after a change of the module, then after none.
// Each is a process of its own, as a user's is. Its builds stay in the store until they are evicted.
func (b *bench) matrix(ctx context.Context) ([]Row, error) {
	tool, module, err := b.toolAndModule(ctx)
	if err != nil {
		return nil, err
	}
	changed, unchanged, err := b.changes(ctx, tool, b.spec(module))
	if err != nil {
		return nil, err
	}
	makes, suites, err := b.floor(ctx)
	if err != nil {
		return nil, err
	}
	name, cores, took := fmt.Sprintf("%d targets, ", len(b.rigs)), runtime.NumCPU(), measure.Median(changed)
	cold := figure(name+"module changed, the rest warm", "", took/(makes+suites)*float64(cores), Ratio,
		"%.2f s against (%.2f s of bare makes + %.2f s of suites) / %d cores", took, makes, suites, cores).atMost(1.25)
	cold.Samples = map[string][]float64{"run": changed, "makes": {makes}, "suites": {suites}}
	return []Row{cold, asBefore(name, unchanged)}, nil
}

func asBefore(name string, took []float64) Row {
	row := figure(name+"nothing changed", "", measure.Median(took), Seconds, "a fresh process, from start to end").atMost(1)
	row.Samples = map[string][]float64{"run": took}
	return row
}

// toolAndModule makes modmatrix as a user has it, and a copy of the driver that may be changed.
func (b *bench) toolAndModule(ctx context.Context) (tool, module string, err error) {
	if module, err = os.MkdirTemp(b.temp, "matrix-"); err == nil {
		err = os.CopyFS(module, os.DirFS(b.driver))
	}
	if err != nil {
		return "", "", err
	}
	tool = filepath.Join(b.temp, "modmatrix")
	_, err = program(ctx, b.source, "go", "build", "-o", tool, "./cmd/modmatrix")
	return tool, module, err
}

// changes times a matrix after a change of its module, and after none, in turn.
func (b *bench) changes(ctx context.Context, tool string, spec config.Flags) (changed, unchanged []float64, err error) {
	for i := range b.pairs {
		if err := touch(filepath.Join(spec.Module, "fifo.c"), fmt.Sprint(time.Now().UnixNano())); err != nil {
			return nil, nil, err
		}
		first, err := b.once(ctx, tool, spec, false)
		if err != nil {
			return nil, nil, err
		}
		second, err := b.once(ctx, tool, spec, true)
		if err != nil {
			return nil, nil, err
		}
		changed, unchanged = append(changed, first), append(unchanged, second)
		b.say("       matrix %d/%d: changed %.2f s, unchanged %.2f s", i+1, b.pairs, first, second)
	}
	return changed, unchanged, nil
}

// touch adds a line to a source that changes the module, as a comment would not.
func touch(path, mark string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "MODULE_INFO(bench, \"%s\");\n", mark)
	return errors.Join(err, f.Close())
}

// once runs the matrix with modmatrix itself, and checks that its cells were all run, or all cached.
func (b *bench) once(ctx context.Context, tool string, spec config.Flags, cached bool) (seconds float64, err error) {
	args := []string{"run", spec.Module, "-o", spec.Out}
	for _, s := range spec.Suites {
		args = append(args, "--suite", s)
	}
	for _, k := range spec.Kernels {
		args = append(args, "-k", k)
	}
	took, err := program(ctx, b.temp, tool, args...)
	if err != nil {
		return 0, fmt.Errorf("run the matrix: %w", err)
	}
	res, err := results.Read(filepath.Join(spec.Out, results.FileName))
	if err := allPass(res, err); err != nil {
		return 0, err
	}
	for _, rec := range res.Records {
		if rec.Cached != cached {
			return 0, fmt.Errorf("%s: cached is %v, which is not what was to be measured", rec.Target.Release, rec.Cached)
		}
	}
	return took, nil
}

// floor is what a matrix costs at least, times the cores: every make and every suite alone, in seconds.
func (b *bench) floor(ctx context.Context) (makes, suites float64, err error) {
	for _, r := range b.rigs {
		var each []float64
		for range b.pairs {
			took, err := b.bareMake(ctx, r, 1)
			if err != nil {
				return 0, 0, err
			}
			each = append(each, took)
		}
		makes += measure.Median(each)
	}
	spec := b.spec(b.driver)
	spec.Jobs, spec.NoCache = 1, true
	_, res, err := runMatrix(ctx, b.h, spec)
	if err := allPass(res, err); err != nil {
		return 0, 0, err
	}
	for _, rec := range res.Records {
		suites += float64(rec.Timings.Test) / 1000
	}
	return makes, suites, nil
}
