package harness

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/modmatrix/modmatrix/initramfs"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// suiteOn is a suite for the guests of one architecture, in uname -m's word.
type suiteOn struct{ name, arch string }

type compiled struct {
	path string
	sum  string // of its content, taken once: every cell's key needs it
}

// compileSuites makes one test binary of each suite for each architecture, for all of its kernels, or finds it in the store.
func (r *run) compileSuites(ctx context.Context) error {
	archs := r.plan.archs()
	made := make([][]compiled, len(archs))
	var all errgroup.Group
	all.SetLimit(max(1, runtime.NumCPU())) // go itself uses every processor, but most of the time there is nothing to compile
	for i, machine := range archs {
		all.Go(func() (err error) {
			made[i], err = maker{r.h, r.plan.Spec, machine, r.work}.compiled(ctx, r.plan.inGuests())
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	r.suites = map[suiteOn]compiled{}
	for i, machine := range archs {
		for n, s := range r.plan.inGuests() {
			r.suites[suiteOn{s.Name, machine}] = made[i][n]
		}
	}
	return nil
}

// compiled returns the test binary of each suite.
func (m maker) compiled(ctx context.Context, all []Suite) (made []compiled, err error) {
	paths, err := m.suites(ctx, all)
	if err != nil {
		return nil, err
	}
	for i, path := range paths {
		sum, err := kernels.FileSHA256(path)
		if err != nil {
			return nil, fmt.Errorf("read suite %s: %w", all[i].Name, err)
		}
		made = append(made, compiled{path, sum})
	}
	return made, nil
}

// suites returns the path of the test binary of each suite.
func (m maker) suites(ctx context.Context, all []Suite) (paths []string, err error) {
	unlock, err := m.h.store.Lock(ctx, "suites.compile", false) // what go keeps stays there meanwhile
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, s := range all {
		path, err := m.suite(ctx, s)
		var bad *initramfs.CompileError
		var lacking *initramfs.NoGoError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &bad):
			return nil, &UsageError{fmt.Errorf("suite %s does not compile: %w", s.Name, err)}
		case errors.As(err, &lacking):
			return nil, &UsageError{fmt.Errorf("suite %s has to be compiled: %w", s.Name, err)}
		case err != nil:
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func (m maker) suite(ctx context.Context, s Suite) (string, error) {
	dir := s.Dir
	if dir == "" {
		r, ok, err := m.ready(s.Name)
		switch {
		case err != nil:
			return "", err
		case ok:
			return m.unpack(ctx, r, suiteKind, suiteBinary)
		case s.Name != Lifecycle:
			return "", &UsageError{fmt.Errorf("suite %s has no source here, and is ready for guests of %s, not of %s", s.Name, m.spec.archsOf(s.Name), m.arch)}
		}
		source, err := initramfs.FindSource()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(source, "suites", s.Name)
	}
	kept := m.h.store.Own()
	suites := initramfs.Suites{Arch: m.row(), Cache: filepath.Join(kept.Dir(), "gocache"), Offline: m.spec.Offline}
	if !kept.Writable() {
		suites.Cache = filepath.Join(m.work, "gocache")
	}
	digest, err := m.h.suiteDigest(suites, ctx, dir)
	if err != nil { // then there is nothing to find it by, and compiling says why
		out := filepath.Join(m.work, s.Name+"-"+m.arch+".test")
		return out, m.h.compile(suites, ctx, dir, out)
	}
	entry, _, err := m.h.store.Fill(ctx, suiteKind, strings.TrimPrefix(digest, "sha256:"), func(dst string) error {
		if err := m.h.compile(suites, ctx, dir, filepath.Join(dst, suiteBinary)); err != nil {
			return err
		}
		return store.SetTitle(dst, "suite "+s.Name+" for "+m.row().Debian)
	})
	return filepath.Join(entry, suiteBinary), err
}
