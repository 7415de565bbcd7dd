package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Whole returns the folder with the whole source of t, a target that Resolve gave: unpacked once, and kept in the store, some 1.5 GB.
// It holds what a stranger wrote, and nobody writes to it. Errors wrap kernels.ErrUnavailable, unless ctx ended.
func (s *Source) Whole(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (_ string, err error) {
	defer kernels.Wrap(ctx, &err, "unpack the source of %s", t.Release)
	if report == nil {
		report = func(kernels.Progress) {}
	}
	o, err := originOf(t)
	if err != nil {
		return "", err
	}
	root, err := s.roots.Root(ctx, t.Suite, t.RootPkgs, report)
	if err != nil {
		return "", err
	}
	dir, _, err := s.store.Fill(ctx, "sources", t.Version+"-"+store.Digest(o.id())[:idSize], func(dir string) error {
		report(kernels.Progress{What: "unpack linux " + t.Release})
		b := box{root: root, linux: filepath.Join(dir, "linux")}
		said := new(strings.Builder)
		err := errors.Join(os.Mkdir(b.linux, 0o755), store.SetTitle(dir, "the source of linux "+t.Release))
		if err != nil {
			return err
		}
		return o.unpack(ctx, b, &buildLog{out: said, report: report})
	})
	return filepath.Join(dir, "linux"), err
}

// Commit is the commit that t was resolved to; empty where it is of no repository.
func Commit(t kernels.Target) string {
	o, err := originOf(t)
	if err != nil {
		return ""
	}
	return o.commit
}
