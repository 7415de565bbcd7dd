package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// verdict is what a side decided, of one package and one kernel.
type verdict string

const (
	ok     verdict = "ok"
	skip   verdict = "skip"   // the package does not want the kernel
	fail   verdict = "fail"   // it does not build
	broken verdict = "broken" // nothing was decided: what the build needs is not there
)

// side is what one of the two came to.
type side struct {
	Verdict verdict  `json:"verdict"`
	Reason  string   `json:"reason,omitempty"` // in its own words; of a failed build, the first error
	Modules []string `json:"modules,omitempty"`
	Seconds float64  `json:"seconds"`
	Cached  bool     `json:"cached,omitempty"` // decided, and timed, at an earlier time
	Log     string   `json:"log,omitempty"`
}

// cell is one package and one kernel.
type cell struct {
	Package string `json:"package"` // with its version
	Kernel  string `json:"kernel"`  // release
	Theirs  side   `json:"dkms"`
	Ours    side   `json:"modmatrix"`
	Pairs   []pair `json:"pairs,omitempty"` // what further builds took, where times are asked for
	Known   string `json:"known,omitempty"` // why they differ, where that is as it should be
	Left    string `json:"left,omitempty"`  // why it was not compared
}

// same tells whether both decided the same, and built the same modules.
func (c cell) same() bool {
	return c.Theirs.Verdict == c.Ours.Verdict && slices.Equal(c.Theirs.Modules, c.Ours.Modules)
}

// differs tells whether the cell is a difference that is not known.
func (c cell) differs() bool { return c.Left == "" && !c.same() && c.Known == "" }

// difference is the error for cells in which both differ, and should not.
type difference struct{ cells int }

func (d difference) Error() string {
	return fmt.Sprintf("modmatrix and dkms differ in %d cells, and it is not known why", d.cells)
}

// comparison is one run of the tool.
type comparison struct {
	names, selectors []string
	suite, dkms, out string
	jobs, pairs      int
	timeout, within  time.Duration
	say              func(format string, args ...any)

	store  *store.Store
	source *debian.Source
	tool   *debian.Deb // dkms
	self   string      // digest of this program: another one may come to another verdict
	work   string
	trees  []*kernels.Tree
}

// subject is one package to compare on.
type subject struct {
	deb *debian.Deb
	pkg *dkms.Package
}

func (s subject) title() string { return s.deb.Name + " " + s.deb.Version }

// run compares and shows. It ends in a difference where there is one that is not known.
func (c *comparison) run(ctx context.Context, w io.Writer) error {
	began := time.Now()
	if c.jobs < 1 {
		return fmt.Errorf("%d compilers at once build nothing: give 1 or more", c.jobs)
	}
	if c.pairs < 0 {
		return fmt.Errorf("%d pairs cannot be timed: give 0 or more", c.pairs)
	}
	words := c.names
	if len(words) == 0 {
		words = defaultPackages
	}
	names, err := parseNames(words, c.suite)
	if err != nil {
		return err
	}
	release, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	defer release()
	r := report{Schema: schema, DKMS: c.tool.Version, Machine: machine(), Jobs: c.jobs, Begun: began.UTC().Truncate(time.Second)}
	for _, t := range c.trees {
		r.Kernels = append(r.Kernels, t.Target.Release)
	}
	r.Cells = c.all(ctx, names, began)
	return errors.Join(r.table(w), r.save(c.out), ctx.Err(), r.verdict())
}

// prepare opens the store, and obtains dkms and the kernels.
func (c *comparison) prepare(ctx context.Context) (release func(), err error) {
	if c.store, err = store.Open(""); err != nil {
		return nil, err
	}
	c.source = debian.New(c.store, debian.Config{})
	if c.tool, err = c.source.Deb(ctx, c.dkms, "dkms"); err != nil {
		return nil, err
	}
	c.say("agreement: dkms %s, in the root of each kernel with its tree", c.tool.Version)
	for _, text := range c.selectors {
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

// all compares the first package on every kernel, then the second, and so on: who has not time for all of it sees all of some.
func (c *comparison) all(ctx context.Context, names []named, began time.Time) (cells []cell) {
	for _, n := range names {
		late := c.within > 0 && time.Since(began) > c.within
		s, err := subject{}, error(nil)
		if !late {
			s, err = c.open(ctx, n)
		}
		for _, tree := range c.trees {
			one := cell{Package: n.name, Kernel: tree.Target.Release}
			switch {
			case late || c.within > 0 && time.Since(began) > c.within:
				one.Left = fmt.Sprintf("not begun within %s", c.within)
			case err != nil:
				one.Left = firstLine(err.Error())
			default:
				one = c.compare(ctx, s, tree)
			}
			if ctx.Err() != nil {
				one.Left = "interrupted"
			}
			c.say("%s", one)
			cells = append(cells, one)
		}
	}
	return cells
}

// open obtains a package.
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
func (c *comparison) compare(ctx context.Context, s subject, tree *kernels.Tree) cell {
	one := cell{Package: s.title(), Kernel: tree.Target.Release}
	tree, err := c.source.Furnish(ctx, tree, s.pkg.Lacking(tree), nil)
	if err != nil {
		one.Left = firstLine(err.Error())
		return one
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if one.Theirs, err = c.theirs(limited, s.deb, s.pkg, tree); err != nil {
		one.Left = "dkms: " + firstLine(err.Error())
		return one
	}
	limited, cancel = context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if one.Ours, err = c.ours(limited, s.deb, s.pkg, tree); err != nil {
		one.Left = "modmatrix: " + firstLine(err.Error())
		return one
	}
	switch {
	case !one.same():
		one.Known = why(one)
	case c.pairs > 0 && one.Ours.Verdict == ok:
		if one.Pairs, err = c.inTurn(ctx, s, tree); err != nil {
			one.Left = "times: " + firstLine(err.Error())
		}
	}
	return one
}
