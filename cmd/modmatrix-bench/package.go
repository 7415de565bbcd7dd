package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/config"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
)

// The package of many files that is changed in one line, and the file of it that is: it compiles for every kernel up to that of the release
// that it comes with.
const (
	largePackage = "jool-dkms"
	largeFile    = "src/mod/common/xlator.c"
	manyObjects  = 40
)

// large times what the author of a large package waits for after one changed line, on the first of the kernels: in turn with the package's
// objects of earlier builds at hand, and from nothing.
func (b *bench) large(ctx context.Context) ([]Row, error) {
	module, err := b.unpackLarge(ctx)
	if err != nil {
		return nil, err
	}
	spec := config.Flags{Kernels: b.selectors[:1], Spec: harness.Spec{Module: module, Suites: []string{harness.Lifecycle}, Out: filepath.Join(b.temp, "large-out")}}
	if _, _, err := b.oneLine(ctx, spec); err != nil { // so that there are earlier builds
		return nil, err
	}
	var build, whole, buildAll, wholeAll []float64
	for i := range b.pairs {
		spec.NoCache = false
		ours, took, err := b.oneLine(ctx, spec)
		if err != nil {
			return nil, err
		}
		spec.NoCache = true
		nothing, all, err := b.oneLine(ctx, spec)
		if err != nil {
			return nil, err
		}
		build, whole, buildAll, wholeAll = append(build, ours), append(whole, took), append(buildAll, nothing), append(wholeAll, all)
		b.say("       large %d/%d: build %.2f s of %.2f s, verdict %.2f s of %.2f s", i+1, b.pairs, ours, nothing, took, all)
	}
	kernel := b.rigs[0].release()
	return []Row{
		compared("one line changed in "+largePackage+": build against one from nothing", kernel, "changed", build, "nothing", buildAll).atMost(1. / 8),
		compared("one line changed in "+largePackage+": verdict against one from nothing", kernel, "changed", whole, "nothing", wholeAll).atMost(1. / 5),
	}, nil
}

// unpackLarge is a copy of the package that the first kernel's release has.
func (b *bench) unpackLarge(ctx context.Context) (dir string, err error) {
	sel, err := kernels.ParseSelector(b.selectors[0])
	if err != nil {
		return "", err
	}
	deb, err := debian.New(b.h.Store(), debian.Config{}).Deb(ctx, sel.Name, largePackage)
	if err != nil {
		return "", err
	}
	source, _ := filepath.Glob(filepath.Join(deb.Dir, "usr/src/*")) // only a bad pattern is an error
	if len(source) != 1 {
		return "", fmt.Errorf("%s has %d folders of source, not one", largePackage, len(source))
	}
	if dir, err = os.MkdirTemp(b.temp, "large-"); err != nil {
		return "", err
	}
	return dir, os.CopyFS(dir, os.DirFS(source[0]))
}

// oneLine changes a line and runs the matrix. It returns what the build took, and all.
func (b *bench) oneLine(ctx context.Context, spec config.Flags) (build, whole float64, err error) {
	path := filepath.Join(spec.Module, largeFile)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Fprintf(f, "static const char bench_%d[] __attribute__((__used__)) = \"bench\";\n", time.Now().UnixNano())
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	_, res, err := runMatrix(ctx, b.h, spec)
	if err := allPass(res, err); err != nil {
		return 0, 0, err
	}
	whole = time.Since(began).Seconds()
	rec := res.Records[0]
	if o := rec.Objects; !spec.NoCache && (o == nil || o.Compiled+o.Reused < manyObjects) {
		return 0, 0, fmt.Errorf("%s has not the %d objects of a large package, or its root no ccache: %+v", largePackage, manyObjects, o)
	}
	return float64(rec.Timings.Build) / 1000, whole, nil
}
