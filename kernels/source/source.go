// Package source obtains kernels that are compiled here: from a git repository at some commit, or from a tarball, with the
// smallest configuration that serves, plus fragments that make faults loud.
//
// A kernel's build system is code from whoever wrote the tree: it runs in a root made for it, without network and without
// the host's files. This package must never know what is built against the kernel, nor how it is booted.
package source

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Roots makes the root that a kernel is compiled in; package debian has one.
type Roots interface {
	Root(ctx context.Context, suite string, pkgs []string, report func(kernels.Progress)) (kernels.Root, error)
}

// Source obtains kernels from git repositories and tarballs; one value serves both words. It may be used by several
// goroutines, and several processes may share its store.
type Source struct {
	store *store.Store
	roots Roots

	profiles fs.FS // the fragments, as profiles/NAME.config
}

// New makes a source that keeps what it makes in store.
func New(st *store.Store, roots Roots) *Source { return &Source{st, roots, builtin} }

// Resolve finds what sel names: for git a commit, for several commits a range or a word as Pick has them; for tar the file.
// Errors wrap kernels.ErrNoMatch where it names nothing, and kernels.ErrUnavailable where it cannot be read.
func (s *Source) Resolve(ctx context.Context, sel kernels.Selector) (res kernels.Resolution, err error) {
	defer kernels.Wrap(ctx, &err, "resolve %s", sel)
	req, err := s.fragments(sel.Profiles)
	if err != nil {
		return res, err
	}
	path, err := kernels.Absolute(sel.Name)
	if err != nil {
		return res, err
	}
	var found []origin
	switch sel.Source {
	case "git":
		found, res.Notices, err = resolveGit(ctx, path, sel.Version)
	case "tar":
		found, err = s.resolveTar(ctx, path)
	default:
		err = fmt.Errorf("%w: %s: is no source of this kind", kernels.ErrNoMatch, sel.Source)
	}
	if err != nil {
		return kernels.Resolution{}, err
	}
	for _, o := range found {
		t, err := o.target(sel.Profiles, req)
		if err != nil {
			return kernels.Resolution{}, err
		}
		res.Targets = append(res.Targets, t)
	}
	return res, nil
}

// Fetch returns the tree of a target that Resolve gave; where it is not in the store, it is compiled, which takes minutes.
// report, which may be nil, hears how far that is; it is called by one goroutine at a time. Errors wrap
// kernels.ErrUnavailable, unless ctx ended: that a kernel does not compile is never the module's fault.
func (s *Source) Fetch(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (_ *kernels.Tree, err error) {
	defer kernels.Wrap(ctx, &err, "fetch %s", t.Release)
	if report == nil {
		report = func(kernels.Progress) {}
	}
	o, err := originOf(t)
	if err != nil {
		return nil, err
	}
	frags, err := s.fragments(strings.FieldsFunc(t.Profile, func(r rune) bool { return r == '+' }))
	if err != nil {
		return nil, err
	}
	root, err := s.roots.Root(ctx, t.Suite, t.RootPkgs, report)
	if err != nil {
		return nil, fmt.Errorf("make the root to compile in: %w", err)
	}
	j := job{src: s, target: t, origin: o, root: root, config: frags, report: report}
	dir, _, err := s.store.Fill(ctx, "trees", t.Release+"-"+j.digest()[:idSize], func(dir string) error {
		return j.make(ctx, dir)
	})
	if err != nil {
		return nil, err
	}
	return j.open(dir)
}
