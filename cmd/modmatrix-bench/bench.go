package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// bench is one run of the benchmark.
type bench struct {
	temp      string
	selectors []string
	only      []string
	out       string
	pairs     int
	say       func(format string, args ...any)

	h      *harness.Harness
	driver string // folder of the example driver
	base   string // image that all guests share
	accel  vm.Accel
	rigs   []*rig
}

// part is one group of rows. What it cannot measure becomes a row that says so, and an error.
type part struct {
	name, what string
	kernels    bool // it needs them
	measure    func(*bench, context.Context) ([]Row, error)
}

var parts = []part{
	{"boot", "clone against cold boot", true, (*bench).boots},
	{"vng", "cell against virtme-ng", true, (*bench).virtme},
	{"build", "module build against bare make", true, (*bench).builds},
	{"dkms", "DKMS package against dkms build", true, (*bench).dkms},
	{"matrix", "a whole matrix", true, (*bench).matrix},
	{"memory", "private memory of a further clone", true, (*bench).memory},
	{"judge", "plan and judge 10,000 cells", false, (*bench).judgement},
}

func partNames() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// run measures and shows. Its error says that something broke; a budget that is not met is no error.
func (b *bench) run(ctx context.Context, w io.Writer) error {
	chosen, err := b.choose()
	if err != nil {
		return err
	}
	f := &Figures{Schema: Schema}
	if f.Machine, err = look(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(chosen, func(p part) bool { return p.kernels }) {
		if err := b.prepare(ctx); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		f.Machine.Accelerator = b.accel.String()
	}
	for _, r := range b.rigs {
		f.Kernels = append(f.Kernels, r.tree.Target.Release)
	}
	var broken []error
	for _, p := range chosen {
		b.say("bench: %s", p.what)
		rows, err := p.measure(b, ctx)
		f.Rows = append(f.Rows, rows...)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			f.Rows = append(f.Rows, Row{What: p.what, Missing: first})
			broken = append(broken, fmt.Errorf("measure %s: %w", p.name, err))
		}
	}
	if err := f.table(w); err != nil {
		return err
	}
	if b.out != "" {
		broken = append(broken, f.write(b.out))
	}
	return errors.Join(broken...)
}

// choose gives the parts to measure.
func (b *bench) choose() ([]part, error) {
	for _, name := range b.only {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("there is no part %q: there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	if b.pairs < 1 {
		return nil, fmt.Errorf("%d pairs measure nothing: give 1 or more", b.pairs)
	}
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool {
		return len(b.only) > 0 && !slices.Contains(b.only, p.name)
	}), nil
}

// prepare runs the driver once on every kernel, so that all that is made once is there, and makes the rigs.
func (b *bench) prepare(ctx context.Context) (err error) {
	source, err := initramfs.FindSource()
	if err != nil {
		return err
	}
	b.driver = filepath.Join(source, "suites", "example", "driver")
	if b.h, err = harness.New(harness.Options{Tool: "modmatrix-bench", Events: b.notice}); err != nil {
		return err
	}
	if err := b.defaultKernels(ctx); err != nil {
		return err
	}
	b.say("bench: warming up %s", strings.Join(b.selectors, ", "))
	plan, err := b.h.Plan(ctx, b.spec(b.driver))
	if err != nil {
		return err
	}
	if len(plan.Unresolved) > 0 {
		return errors.New(plan.Unresolved[0].Reason)
	}
	res, err := b.h.Run(ctx, plan)
	if err != nil {
		return err
	}
	if err := allPass(res); err != nil {
		return err
	}
	b.accel = vm.Accel{Name: res.Run.Host.Accelerator, CPU: res.Run.Host.CPUModel}
	digest, err := initramfs.BaseDigest(ctx, source)
	if err != nil {
		return err
	}
	dir, ok := b.h.Store().Look("bases", strings.TrimPrefix(digest, "sha256:"))
	if !ok {
		return errors.New("the guest image is not in the store after a run")
	}
	b.base = filepath.Join(dir, "base.cpio")
	return b.makeRigs(ctx, plan.Targets)
}

// spec is the matrix that is measured: module with the built-in suite on all kernels.
func (b *bench) spec(module string) harness.Spec {
	return harness.Spec{Module: module, Kernels: b.selectors, Suites: []string{harness.Lifecycle}, Out: filepath.Join(b.temp, "out")}
}

func (b *bench) notice(e results.Event) {
	if e.Kind == results.EventNotice {
		b.say("       %s", e.Text)
	}
}

// defaultKernels fills the selectors in: of each series the small flavour, and the standard one where there is no other.
func (b *bench) defaultKernels(ctx context.Context) error {
	if len(b.selectors) > 0 {
		return nil
	}
	for _, s := range harness.DefaultKernels {
		small := s + "/cloud-amd64"
		spec := b.spec(b.driver)
		spec.Kernels = []string{small}
		_, err := b.h.Plan(ctx, spec)
		switch {
		case err == nil:
			b.selectors = append(b.selectors, small)
		case errors.Is(err, harness.ErrNothingMatched):
			b.selectors = append(b.selectors, s)
		default:
			return err
		}
	}
	return nil
}

// allPass refuses results of which not every record passed: to time a failure tells nothing.
func allPass(res *results.Results) error {
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
		r := &rig{tree: tree, base: b.base, dir: filepath.Join(b.temp, "rig-"+t.Release),
			machine: vm.Machine{Arch: t.Arch, Kernel: tree.Image, Accel: b.accel}}
		build := filepath.Join(r.dir, "build")
		if err := os.MkdirAll(build, 0o755); err != nil {
			return err
		}
		art, err := kbuild.Build(ctx, kbuild.Request{Tree: tree, Source: b.driver, Dir: build, Jobs: 2})
		if err != nil {
			return fmt.Errorf("build the driver for %s: %w", t.Release, err)
		}
		r.modules = art.Modules
		b.rigs = append(b.rigs, r)
	}
	return nil
}
