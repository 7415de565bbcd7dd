// Package agreement asks Debian's own dkms the question that modmatrix answers: does this package build for this kernel? Both
// answer in the same root with the same tree, cell by cell, and every cell in which they differ is shown with its reason.
//
// It must never know a better way to a verdict than the product has.
package agreement

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/modmatrix/modmatrix/cmd/modmatrix-bench/measure"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Options is one comparison.
type Options struct {
	Packages []string // NAME or NAME/SUITE; without any, a list of all kinds
	Kernels  []string // selectors
	Suite    string   // of packages that name none
	DKMS     string   // suite that dkms is from
	Output   string   // file for the report as JSON; empty: none
	Jobs     int      // compilers at once in each build
	Pairs    int      // further builds of each cell on both sides, which are timed
	Timeout  time.Duration
	Say      func(format string, args ...any)
}

type comparison struct {
	Options
	store  *store.Store
	source *debian.Source
	tool   *debian.Deb // dkms
	self   string      // digest of this program: another one may decide otherwise
	work   string
	trees  []*kernels.Tree
}

type subject struct {
	deb *debian.Deb
	pkg *dkms.Package
}

// Compare compares and shows. It ends in a Difference where there is one that is not known; the report is there all the same.
func Compare(ctx context.Context, w io.Writer, o Options) (*Report, error) {
	if o.Jobs < 1 || o.Pairs < 0 {
		return nil, fmt.Errorf("%d compilers at once and %d pairs: ask for at least 1 and 0", o.Jobs, o.Pairs)
	}
	if len(o.Packages) == 0 {
		o.Packages = defaultPackages
	}
	names, err := parseNames(o.Packages, o.Suite)
	if err != nil {
		return nil, err
	}
	c := &comparison{Options: o}
	release, err := c.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	r := &Report{Schema: schema, DKMS: c.tool.Version, Jobs: o.Jobs, Begun: time.Now().UTC().Truncate(time.Second),
		Machine: fmt.Sprintf("%d cores, load %.2f at the start", runtime.NumCPU(), measure.Load())}
	for _, t := range c.trees {
		r.Kernels = append(r.Kernels, t.Target.Release)
	}
	r.Cells = c.all(ctx, names)
	return r, errors.Join(r.table(w), measure.Save(o.Output, r), ctx.Err(), r.verdict())
}

func (c *comparison) prepare(ctx context.Context) (release func(), err error) {
	if c.store, err = store.Open(""); err != nil {
		return nil, err
	}
	c.source = debian.New(c.store, debian.Config{})
	if c.tool, err = c.source.Deb(ctx, c.DKMS, "dkms"); err != nil {
		return nil, err
	}
	c.Say("agreement: dkms %s, in the root of each kernel with its tree", c.tool.Version)
	for _, text := range c.Kernels {
		sel, err := kernels.ParseSelector(text)
		if err != nil {
			return nil, err
		}
		res, err := c.source.Resolve(ctx, sel)
		if err != nil {
			return nil, err
		}
		for _, t := range res.Targets {
			tree, err := c.source.Fetch(ctx, t, nil)
			if err != nil {
				return nil, err
			}
			c.trees = append(c.trees, tree)
		}
	}
	if c.self, err = kernels.FileSHA256("/proc/self/exe"); err != nil {
		return nil, err
	}
	c.work, release, err = c.store.WorkDir()
	return release, err
}

// all compares the first package on every kernel, then the second, and so on: an interrupted run is complete on some.
func (c *comparison) all(ctx context.Context, names []named) (cells []Cell) {
	for _, n := range names {
		s, err := c.open(ctx, n)
		for _, tree := range c.trees {
			one := Cell{Package: n.name, Kernel: tree.Target.Release}
			failed := err
			if err == nil {
				one.Package = s.deb.Name + " " + s.deb.Version
				failed = c.compare(ctx, &one, s, tree)
			}
			if failed != nil {
				one.Left = firstLine(failed.Error())
			}
			if ctx.Err() != nil {
				one.Left = "interrupted"
			}
			c.Say("%s", one)
			cells = append(cells, one)
		}
	}
	return cells
}

func (c *comparison) open(ctx context.Context, n named) (subject, error) {
	deb, err := c.source.Deb(ctx, n.suite, n.name)
	if err != nil {
		return subject{}, err
	}
	dir, err := os.MkdirTemp(c.work, "package-")
	if err != nil {
		return subject{}, err
	}
	pkg, err := dkms.Open(ctx, deb.File, dir)
	return subject{deb, pkg}, err
}

// compare asks both sides for one cell, one after the other, in a root that has what the package depends on.
func (c *comparison) compare(ctx context.Context, one *Cell, s subject, tree *kernels.Tree) error {
	tree, err := c.source.WithPackages(ctx, tree, s.pkg.Lacking(tree), nil)
	if err != nil {
		return err
	}
	if one.DKMS, err = c.askDKMS(ctx, s, tree); err != nil {
		return fmt.Errorf("dkms: %w", err)
	}
	if one.Modmatrix, err = c.askModmatrix(ctx, s, tree); err != nil {
		return fmt.Errorf("modmatrix: %w", err)
	}
	switch {
	case !one.same():
		one.Known = why(*one)
	case c.Pairs > 0 && one.Modmatrix.Verdict == ok:
		if one.Pairs, err = c.pairs(ctx, s, tree); err != nil {
			return fmt.Errorf("times: %w", err)
		}
	}
	return nil
}

// pairs builds a cell anew on both sides, in turn. Nothing of it is kept.
func (c *comparison) pairs(ctx context.Context, s subject, tree *kernels.Tree) ([]Pair, error) {
	timed := func(build build) func() (float64, error) {
		return func() (float64, error) {
			dir, err := os.MkdirTemp(c.work, "timed-")
			if err != nil {
				return 0, err
			}
			defer store.RemoveTree(dir)
			began := time.Now()
			side, err := build(ctx, dir, s, tree)
			if err == nil && side.Verdict != ok {
				err = fmt.Errorf("what was built before does not build again: %s", side.line())
			}
			return time.Since(began).Seconds(), err
		}
	}
	dkms, modmatrix, err := measure.InTurn(c.Pairs, timed(c.runDKMS), timed(c.runModmatrix))
	if err != nil {
		return nil, err
	}
	pairs := make([]Pair, len(modmatrix))
	for i := range pairs {
		pairs[i] = Pair{dkms[i], modmatrix[i]}
	}
	return pairs, nil
}
