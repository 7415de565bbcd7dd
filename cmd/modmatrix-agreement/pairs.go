package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// pair is what both builds of one cell took, one right after the other, in seconds. Their processor time cannot be told: it is
// that of a sandbox, and its processes are nobody's children here.
type pair struct {
	Theirs float64 `json:"dkms"`
	Ours   float64 `json:"modmatrix"`
}

// inTurn builds a cell anew with both sides, as many times as there are to be pairs; every other time ours comes first, for
// neither is always to find what the other left in the caches. Nothing of it is kept.
func (c *comparison) inTurn(ctx context.Context, s subject, tree *kernels.Tree) ([]pair, error) {
	theirs := func(dir string) (side, error) { return c.runDKMS(ctx, dir, s.deb, s.pkg, tree) }
	ours := func(dir string) (side, error) { return c.build(ctx, dir, s.pkg, tree) }
	pairs := make([]pair, c.pairs)
	for i := range 2 * c.pairs {
		p := &pairs[i/2]
		to, build := &p.Theirs, theirs
		if i%4 == 1 || i%4 == 2 {
			to, build = &p.Ours, ours
		}
		var err error
		if *to, err = c.timed(build); err != nil {
			return nil, err
		}
	}
	return pairs, nil
}

// timed times one build, which is to succeed.
func (c *comparison) timed(build func(dir string) (side, error)) (seconds float64, err error) {
	dir, err := os.MkdirTemp(c.work, "timed-")
	if err != nil {
		return 0, err
	}
	defer store.RemoveTree(dir)
	began := time.Now()
	s, err := build(dir)
	if err == nil && s.Verdict != ok {
		err = fmt.Errorf("what was built before does not build again: %s", s.line())
	}
	return time.Since(began).Seconds(), err
}

// took is what a cell took on both sides, in seconds; false where that is not to be set beside each other: it did not succeed, or
// was not built now.
func (c cell) took() (theirs, ours float64, fair bool) {
	if c.Left != "" || !c.same() || c.Ours.Verdict != ok {
		return 0, 0, false
	}
	if len(c.Pairs) == 0 {
		return c.Theirs.Seconds, c.Ours.Seconds, !c.Theirs.Cached && !c.Ours.Cached
	}
	var dkms, modmatrix []float64
	for _, p := range c.Pairs {
		dkms, modmatrix = append(dkms, p.Theirs), append(modmatrix, p.Ours)
	}
	return median(dkms), median(modmatrix), true
}
