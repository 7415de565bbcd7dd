package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/vm"
)

type bench struct {
	temp      string
	selectors []string
	only      []string
	out       string
	pairs     int
	say       func(format string, args ...any)

	h      *harness.Harness
	source string // folder of this project
	driver string // folder of the example driver
	base   string // image that all guests share
	accel  vm.Accel
	rigs   []*rig
}

// part is one group of rows. What it cannot measure becomes a row with the reason, and an error.
type part struct {
	name, what string
	kernels    bool // it needs them
	measure    func(*bench, context.Context) ([]Row, error)
}

var parts = []part{
	{"boot", "clone against cold boot", true, eachKernel((*bench).boot)},
	{"vng", "cell against virtme-ng", true, (*bench).virtme},
	{"build", "module build against bare make", true, eachKernel((*bench).build)},
	{"dkms", "DKMS package against dkms build", true, (*bench).dkms},
	{"matrix", "a whole matrix", true, (*bench).matrix},
	{"memory", "private memory of a further clone", true, eachKernel((*bench).memory)},
	{"judge", "plan and judge 10,000 cells", false, (*bench).judgement},
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

func eachKernel(one func(*bench, context.Context, *rig) ([]Row, error)) func(*bench, context.Context) ([]Row, error) {
	return func(b *bench, ctx context.Context) (rows []Row, err error) {
		for _, r := range b.rigs {
			more, err := one(b, ctx, r)
			rows = append(rows, more...)
			if err != nil {
				return rows, fmt.Errorf("on %s: %w", r.release(), err)
			}
		}
		return rows, nil
	}
}

// run measures and shows. Its error means that something broke; a budget that is not met is no error.
func (b *bench) run(ctx context.Context, w io.Writer) error {
	chosen, err := b.choose()
	if err != nil {
		return err
	}
	f := &Figures{Schema: Schema}
	if f.Machine, err = measure.Look(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(chosen, func(p part) bool { return p.kernels }) {
		if err := b.prepare(ctx); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		f.Machine.Accelerator = b.accel.String()
	}
	for _, r := range b.rigs {
		f.Kernels = append(f.Kernels, r.release())
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
	return errors.Join(append(broken, f.table(w), measure.Save(b.out, f))...)
}

func (b *bench) choose() ([]part, error) {
	for _, name := range b.only {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("there is no part %q: there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	if b.pairs < 1 {
		return nil, fmt.Errorf("%d pairs measure nothing: ask for 1 or more", b.pairs)
	}
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool {
		return len(b.only) > 0 && !slices.Contains(b.only, p.name)
	}), nil
}
