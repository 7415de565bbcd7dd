package harness

import (
	"context"
	"os"
	"path/filepath"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// objectsKind is the kind of the folders in the store that hold what compilers made of one module for one kernel.
const objectsKind = "objects"

// fromNothing reports whether a build must owe nothing to an earlier one: evidence that others are to believe, and what the user asked for.
func (s Spec) fromNothing() bool {
	return s.NoCache || s.Evidence || s.Sign != "" || s.Bundle != nil
}

// objects is the host folder with what compilers made of the module for tree, which others leave alone until done is called; empty where
// a build is to be made from nothing. It is one module's on one kernel: what a Makefile leaves in it reaches nobody else.
func (bd *builder) objects(ctx context.Context, tree *kernels.Tree) (dir string, done func(), err error) {
	if bd.plan.Spec.fromNothing() || asPackage(tree.Target) {
		return "", func() {}, nil
	}
	module, err := filepath.Abs(bd.plan.Spec.Module)
	if err != nil {
		return "", nil, err
	}
	id := store.Digest(module, tree.Digest, tree.Root.Digest)[:16]
	done, err = bd.h.store.Lock(ctx, objectsKind+"."+id, false)
	if err != nil {
		return "", nil, err
	}
	dir = filepath.Join(bd.h.store.Dir(), objectsKind, id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		done()
		return "", nil, err
	}
	return dir, done, nil
}
