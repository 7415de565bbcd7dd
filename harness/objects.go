package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
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

// deaths are the ends of a program that does not report a fault of its input, as make has them from the kernel (strsignal(3)).
var deaths = regexp.MustCompile(`\bccache\b|\b(?:Bus error|Segmentation fault|Aborted|Illegal instruction|Floating point exception)\b`)

// misled reports whether a build failed on account of what earlier ones had left, as far as that can be known: no such failure is believed.
func misled(err error) bool {
	var fault *kbuild.Error
	return errors.As(err, &fault) && deaths.MatchString(fault.Reason)
}

// anew empties the folders of a build that was misled, so that another can be made.
func anew(dirs ...string) error {
	for _, dir := range dirs {
		if err := errors.Join(store.RemoveTree(dir), os.Mkdir(dir, 0o755)); err != nil {
			return fmt.Errorf("empty a folder of builds: %w", err)
		}
	}
	return nil
}
