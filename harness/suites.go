package harness

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

type compiled struct {
	path string
	sum  string // of its content, taken once: every cell's key needs it
}

// compileSuites makes one test binary of each suite, for all kernels, or finds it in the store.
func (r *run) compileSuites(ctx context.Context) error {
	r.suites = map[string]compiled{}
	unlock, err := r.h.store.Lock(ctx, "suites.compile", false) // what go keeps stays there meanwhile
	if err != nil {
		return err
	}
	defer unlock()
	for _, s := range r.plan.Suites {
		path, err := r.compileSuite(ctx, s)
		var bad *initramfs.CompileError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &bad):
			return &UsageError{fmt.Errorf("suite %s does not compile: %w", s.Name, err)}
		case err != nil:
			return err
		}
		sum, err := kernels.FileSHA256(path)
		if err != nil {
			return fmt.Errorf("read suite %s: %w", s.Name, err)
		}
		r.suites[s.Name] = compiled{path, sum}
	}
	return nil
}

func (r *run) compileSuite(ctx context.Context, s Suite) (string, error) {
	dir := s.Dir
	if dir == "" {
		source, err := initramfs.FindSource()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(source, "suites", s.Name)
	}
	kept := r.h.store.Own()
	suites := initramfs.Suites{Cache: filepath.Join(kept.Dir(), "gocache"), Offline: r.plan.Spec.Offline}
	if !kept.Writable() {
		suites.Cache = filepath.Join(r.work, "gocache")
	}
	digestOf, compile := suites.Digest, suites.Compile
	if r.h.suiteDigest != nil {
		digestOf = r.h.suiteDigest
	}
	if r.h.compile != nil {
		compile = r.h.compile
	}
	digest, err := digestOf(ctx, dir)
	if err != nil { // then there is nothing to find it by, and compiling says why
		out := filepath.Join(r.work, s.Name+".test")
		return out, compile(ctx, dir, out)
	}
	entry, _, err := r.h.store.Fill(ctx, "suites", strings.TrimPrefix(digest, "sha256:"), func(dst string) error {
		if err := compile(ctx, dir, filepath.Join(dst, suiteBinary)); err != nil {
			return err
		}
		return store.SetTitle(dst, "suite "+s.Name)
	})
	return filepath.Join(entry, suiteBinary), err
}

// suiteBinary is what a compiled suite is called in its entry of the store.
const suiteBinary = "suite.test"
