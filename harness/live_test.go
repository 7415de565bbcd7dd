package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
)

// slowMake compiles until a clone stands by, or for so long that none ever will.
func (f *fixture) slowMake(then func(context.Context, kbuild.Request) (*kbuild.Artifact, error)) (stoodBy *bool) {
	stoodBy = new(bool)
	f.make = func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		for range 500 {
			if found, _ := filepath.Glob(filepath.Join(f.store.Dir(), "work", "*", "guest-*")); len(found) > 0 {
				*stoodBy = true
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		return then(ctx, r)
	}
	return stoodBy
}

func TestACloneStandsByWhileTheCompilerRuns(t *testing.T) {
	f := newFixture(t, frozenScript)
	f.withChannels(t)
	compile := f.make
	stoodBy := f.slowMake(compile)
	f.spec.Jobs = 2 // the template and the compiler at once
	res, err := f.run(t, t.Context())
	if err != nil || summary(res) != "old-amd64 lifecycle PASS@" {
		t.Fatalf("%v\n%s", err, summary(res))
	}
	if !*stoodBy {
		t.Error("no clone stood by")
	}
	if res.Records[0].Timings.Restore == 0 {
		t.Error("the cell ran in no clone")
	}
}

func TestACloneThatNobodyWantsIsDismissed(t *testing.T) {
	f := newFixture(t, frozenScript)
	f.withChannels(t)
	f.spec.Jobs = 2
	stoodBy := f.slowMake(func(context.Context, kbuild.Request) (*kbuild.Artifact, error) {
		return nil, &kbuild.Error{Code: results.CodeBuildError, Reason: "no"}
	})
	res, err := f.run(t, t.Context()) // which looks for what is left behind
	if err != nil || summary(res) != "old-amd64 lifecycle FAIL@build build-error" || !*stoodBy {
		t.Errorf("%v, stood by: %v\n%s", err, *stoodBy, summary(res))
	}
}

func TestASpareThatDiedIsReplaced(t *testing.T) {
	f := newFixture(t, frozenScript)
	f.withChannels(t)
	f.spec.Jobs = 2
	compile := f.make
	f.slowMake(func(ctx context.Context, r kbuild.Request) (*kbuild.Artifact, error) {
		if err := errors.Join(blockAll(filepath.Join(f.store.Dir(), "work", "*", "guest-*"))...); err != nil {
			return nil, err
		}
		return compile(ctx, r)
	})
	res, err := f.run(t, t.Context())
	if err != nil || summary(res) != "old-amd64 lifecycle PASS@" {
		t.Errorf("%v\n%s %s", err, summary(res), res.Records[0].Reason)
	}
}

// blockAll puts folders where pattern finds files, which nobody can write into.
func blockAll(pattern string) (errs []error) {
	found, _ := filepath.Glob(pattern)
	for _, path := range found {
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
