package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// prepare runs the driver once on every kernel, so that everything that is made only once is there, and makes the rigs.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.source, err = initramfs.FindSource(); err != nil {
		return err
	}
	b.driver = exampleDriver(b.source)
	if b.h, err = harness.New(harness.Options{Tool: "modmatrix-bench", Events: notices(b.say)}); err != nil {
		return err
	}
	if len(b.selectors) == 0 {
		for _, s := range config.DefaultKernels {
			b.selectors = append(b.selectors, s.String()+"/cloud-amd64")
		}
	}
	b.say("bench: warming up %s", strings.Join(b.selectors, ", "))
	plan, res, err := runMatrix(ctx, b.h, b.spec(b.driver))
	if err := allPass(res, err); err != nil {
		return err
	}
	b.accel = vm.Accel{Name: res.Run.Host.Accelerator, CPU: res.Run.Host.CPUModel}
	return b.makeRigs(ctx, plan.Targets)
}

// base is the image of guests of machine, which the run has left in the store.
func (b *bench) base(ctx context.Context, machine string) (string, error) {
	digest, err := initramfs.BaseDigest(ctx, b.source, machine)
	if err != nil {
		return "", err
	}
	dir, ok := b.h.Store().Look("bases", strings.TrimPrefix(digest, "sha256:"))
	if !ok {
		return "", errors.New("the guest image is not in the store after a run")
	}
	return filepath.Join(dir, "base.cpio"), nil
}

func exampleDriver(source string) string { return filepath.Join(source, "suites", "example", "driver") }

// spec is the matrix that is measured: module with the built-in suite on all kernels.
func (b *bench) spec(module string) config.Flags {
	return config.Flags{Kernels: b.selectors, Spec: harness.Spec{Module: module, Suites: []string{harness.Lifecycle}, Out: filepath.Join(b.temp, "out")}}
}

// notices passes notices of the harness on to say, the same one once.
func notices(say func(string, ...any)) func(results.Event) {
	var shown sync.Map
	return func(e results.Event) {
		if _, again := shown.LoadOrStore(e.Text, true); e.Kind == results.EventNotice && !again {
			say("       %s", e.Text)
		}
	}
}

func runMatrix(ctx context.Context, h *harness.Harness, flags config.Flags) (*harness.Plan, *results.Results, error) {
	spec, err := config.Default().Spec(flags)
	if err != nil {
		return nil, nil, err
	}
	plan, err := h.Plan(ctx, spec)
	if err != nil {
		return nil, nil, err
	}
	if len(plan.Unresolved) > 0 {
		return nil, nil, errors.New(plan.Unresolved[0].Reason)
	}
	res, err := h.Run(ctx, plan)
	return plan, res, err
}

// allPass is err, else an error for results of which not every record passed: the time of a failure means nothing.
func allPass(res *results.Results, err error) error {
	if err != nil {
		return err
	}
	for _, rec := range res.Records {
		if rec.Status != results.Pass {
			return fmt.Errorf("%s %s: %s at %s: %s", rec.Target.Release, rec.Suite, rec.Status, rec.Stage, rec.Reason)
		}
	}
	return nil
}

func (b *bench) makeRigs(ctx context.Context, targets []kernels.Target) error {
	source := debian.New(b.h.Store(), debian.Config{})
	for _, t := range targets {
		tree, err := source.Fetch(ctx, t, nil)
		if err != nil {
			return err
		}
		base, err := b.base(ctx, t.Arch)
		if err != nil {
			return err
		}
		r := &rig{tree: tree, base: base, dir: filepath.Join(b.temp, "rig-"+t.Release), machine: vm.Machine{Arch: t.Arch, Kernel: tree.Image}}
		if t.Arch == vm.HostArch() { // others are emulated
			r.machine.Accel = b.accel
		}
		build := filepath.Join(r.dir, "build")
		if err := os.MkdirAll(build, 0o755); err != nil {
			return err
		}
		art, err := kbuild.Build(ctx, kbuild.Request{Tree: tree, Source: kbuild.Source{Top: b.driver}, Dir: build, Jobs: 2})
		if err != nil {
			return fmt.Errorf("build the driver for %s: %w", t.Release, err)
		}
		r.modules = art.Modules
		b.rigs = append(b.rigs, r)
	}
	return nil
}

// program runs a program in dir; it is interrupted when ctx ends, so that it cleans up. The error ends with its last line.
func program(ctx context.Context, dir, name string, args ...string) (seconds float64, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	began := time.Now()
	text, err := cmd.CombinedOutput()
	seconds = time.Since(began).Seconds()
	if err == nil {
		return seconds, nil
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return seconds, fmt.Errorf("%s: %s", filepath.Base(name), cmp.Or(lines[len(lines)-1], err.Error()))
}
