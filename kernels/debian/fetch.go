package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// Fetch returns the tree of a target that Resolve gave, with the root to build in, from the store where they are there.
// report, which may be nil, hears how far it is; it is called by one goroutine at a time. Errors wrap kernels.ErrUnavailable,
// unless ctx ended.
func (s *Source) Fetch(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (*kernels.Tree, error) {
	if report == nil {
		report = func(kernels.Progress) {}
	}
	tree, err := s.fetch(ctx, t, report)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", t.Release, unavailable(ctx, err))
	}
	return tree, nil
}

func (s *Source) fetch(ctx context.Context, t kernels.Target, report func(kernels.Progress)) (*kernels.Tree, error) {
	source, name := t.Origin()
	if source != "debian" || len(t.Packages) == 0 {
		return nil, fmt.Errorf("%s is no target of this source", t.Source)
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	st := s.state(name)
	root, err := s.root(ctx, st, t, report)
	if err != nil {
		return nil, err
	}
	dir, _, err := s.store.Fill(ctx, "trees", TreeID(t), func(dir string) error {
		if s.cfg.Offline {
			return errors.New("it is not in the store, and the network is not to be used")
		}
		return st.makeTree(ctx, dir, root, t, report)
	})
	if err != nil {
		return nil, err
	}
	tree, err := openTree(dir, root, t, s.store.Shares(root.Dir))
	if errors.Is(err, errNoPlace) {
		own := s.own()
		if root, err = own.root(ctx, own.state(name), t, report); err == nil {
			tree, err = openTree(dir, root, t, false)
		}
	}
	return tree, err
}

// TreeID is what the tree of a target of this source is called in the store, among the trees.
func TreeID(t kernels.Target) string { return t.Release + "-" + short(key(t)) }

// makeTree downloads and unpacks t's packages into dir.
func (st *state) makeTree(ctx context.Context, dir string, root kernels.Root, t kernels.Target, report func(kernels.Progress)) error {
	files, err := st.download(ctx, "trees", TreeID(t), t.Release, t.Packages, report)
	if err != nil {
		return err
	}
	unpacked, all := int64(0), total(t.Packages)
	for i, file := range files {
		report(kernels.Progress{What: "unpack " + t.Release, Done: unpacked, Total: all, Unit: kernels.Bytes})
		if err := unpack(ctx, file, dir, t.Packages[i]); err != nil {
			return err
		}
		unpacked += t.Packages[i].Size
	}
	report(kernels.Progress{What: "unpack " + t.Release, Done: unpacked, Total: all, Unit: kernels.Bytes})
	return arrange(ctx, dir, root, t)
}

// unpack puts what is in the package's file, whose digest was checked, below dir.
func unpack(ctx context.Context, file, dir string, p kernels.Package) error {
	_, err := tools.Run(ctx, tools.Command(ctx, "dpkg-deb", "-x", file, dir))
	if failed, ok := errors.AsType[*kernels.ToolError](err); ok && !store.IsFull(err) {
		_ = os.Remove(file) // to fetch it again is of no use, and to keep it neither
		failed.Output = strings.ReplaceAll(failed.Output, file, p.Name)
		return fmt.Errorf("unpack %s %s, which is the file that the archive signed: %w", p.Name, p.Version, err)
	}
	return err
}

func total(pkgs []kernels.Package) (bytes int64) {
	for _, p := range pkgs {
		bytes += p.Size
	}
	return bytes
}

func mkdirFor(path string) error { return os.MkdirAll(filepath.Dir(path), 0o755) }
