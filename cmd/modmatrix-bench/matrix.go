package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// matrix times whole runs with kernels, templates and suites warm: first after a change of the module, then after none.
// Each is a process of its own, as a user's is. What the builds leave in the store is removed.
func (b *bench) matrix(ctx context.Context) (rows []Row, err error) {
	module, err := os.MkdirTemp(b.temp, "matrix-")
	if err == nil {
		err = os.CopyFS(module, os.DirFS(b.driver))
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.forget(filepath.Base(module))) }()
	var changed, unchanged []time.Duration
	for i := range b.pairs {
		if err := touch(filepath.Join(module, "fifo.c"), fmt.Sprint(time.Now().UnixNano())); err != nil {
			return nil, err
		}
		first, err := b.once(ctx, module, false)
		if err != nil {
			return nil, err
		}
		second, err := b.once(ctx, module, true)
		if err != nil {
			return nil, err
		}
		changed, unchanged = append(changed, first), append(unchanged, second)
		b.say("       matrix %d/%d: changed %.2f s, unchanged %.2f s", i+1, b.pairs, first.Seconds(), second.Seconds())
	}
	floor, err := b.floor(ctx)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d targets, ", len(b.rigs))
	least := floor.whole()
	cold := figure(name+"module changed, the rest warm", "", median(changed).Seconds()/least.Seconds(), Ratio,
		"%.2f s against (%.2f s of bare makes + %.2f s of suites) / %d cores", median(changed).Seconds(), floor.makes.Seconds(),
		floor.suites.Seconds(), floor.cores).atMost(1.25)
	cold.Samples = map[string][]float64{"run": seconds(changed), "makes": {floor.makes.Seconds()}, "suites": {floor.suites.Seconds()}}
	warm := figure(name+"nothing changed", "", median(unchanged).Seconds(), Seconds, "a fresh process, from start to end").atMost(1)
	warm.Samples = map[string][]float64{"run": seconds(unchanged)}
	return []Row{cold, warm}, nil
}

// touch adds a line to a source, such that the module that comes of it is another one. (A comment would not do: where
// there is no debug info, the same module comes of it, and its cells are known.)
func touch(path, mark string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "MODULE_INFO(bench, \"%s\");\n", mark)
	return errors.Join(err, f.Close())
}

// once runs the matrix in a process of its own and makes sure that its cells were all run, or all known.
func (b *bench) once(ctx context.Context, module string, known bool) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	spec := b.spec(module)
	in, err := json.Marshal(spec)
	if err != nil {
		return 0, err
	}
	var said strings.Builder
	cmd := exec.CommandContext(ctx, self, "once")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it cleans up
	cmd.WaitDelay = time.Minute
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), &said
	began := time.Now()
	err = cmd.Run()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("run of the matrix: %w: %s", err, strings.TrimSpace(said.String()))
	}
	res, err := results.Read(filepath.Join(spec.Out, "results.json"))
	if err == nil {
		err = allPass(res)
	}
	if err != nil {
		return 0, err
	}
	for _, rec := range res.Records {
		if rec.Cached != known {
			return 0, fmt.Errorf("%s: cached is %v, which is not what was to be measured", rec.Target.Release, rec.Cached)
		}
	}
	return took, nil
}

// onceCommand is the other process of once: a Spec comes in, and is run.
func onceCommand() *cobra.Command {
	return &cobra.Command{Use: "once", Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		var spec harness.Spec
		if err := json.Unmarshal(text, &spec); err != nil {
			return err
		}
		h, err := harness.New(harness.Options{Tool: "modmatrix-bench"})
		if err != nil {
			return err
		}
		plan, err := h.Plan(cmd.Context(), spec)
		if err != nil {
			return err
		}
		_, err = h.Run(cmd.Context(), plan)
		return err
	}}
}

// floor is what a matrix costs at the least.
type floor struct {
	makes, suites time.Duration // one after the other
	cores         int
}

func (f floor) whole() time.Duration { return (f.makes + f.suites) / time.Duration(f.cores) }

// floor measures every make and every suite alone, each with one core's work at a time, so that all may be divided by
// the number of cores.
func (b *bench) floor(ctx context.Context) (f floor, err error) {
	f.cores = runtime.NumCPU()
	for _, r := range b.rigs {
		var makes []time.Duration
		for range b.pairs {
			took, err := b.bareMake(ctx, r, 1)
			if err != nil {
				return f, err
			}
			makes = append(makes, took)
		}
		f.makes += median(makes)
	}
	spec := b.spec(b.driver)
	spec.Jobs, spec.NoCache = 1, true
	plan, err := b.h.Plan(ctx, spec)
	if err != nil {
		return f, err
	}
	res, err := b.h.Run(ctx, plan)
	if err == nil {
		err = allPass(res)
	}
	if err != nil {
		return f, err
	}
	for _, rec := range res.Records {
		f.suites += time.Duration(rec.Timings.Test) * time.Millisecond
	}
	return f, nil
}

// forget removes the builds of the module called name from the store. Its cells stay: a few kilobytes that nobody finds
// again, until the store is pruned.
func (b *bench) forget(name string) error {
	st := b.h.Store()
	entries, err := st.List()
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range entries {
		if e.Kind == "builds" && strings.HasPrefix(e.Title, name+" for ") {
			failed = append(failed, st.Remove(store.Entry{Kind: e.Kind, ID: e.ID}))
		}
	}
	return errors.Join(failed...)
}
