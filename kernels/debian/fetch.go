package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// anyAge is for an index that need only be there.
const anyAge = 100 * 365 * 24 * time.Hour

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
	name, ok := strings.CutPrefix(t.Source, "debian:")
	if !ok || len(t.Packages) == 0 {
		return nil, fmt.Errorf("%s is no target of this source", t.Source)
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
	debs := filepath.Join(dir, "debs")
	if err := st.download(ctx, debs, t, report); err != nil {
		return err
	}
	files, err := verify(debs, t.Packages)
	if err != nil {
		return err
	}
	unpacked := int64(0)
	for i, file := range files {
		report(kernels.Progress{What: "unpack " + t.Release, Done: unpacked, Total: total(t)})
		if _, err := run(ctx, command(ctx, "dpkg-deb", "-x", file, dir)); err != nil {
			return err
		}
		unpacked += t.Packages[i].Size
	}
	report(kernels.Progress{What: "unpack " + t.Release, Done: unpacked, Total: total(t)})
	if err := os.RemoveAll(debs); err != nil {
		return err
	}
	return arrange(ctx, dir, root, t)
}

func total(t kernels.Target) (bytes int64) {
	for _, p := range t.Packages {
		bytes += p.Size
	}
	return bytes
}

// download lets apt fetch the packages, which checks them against the signed index. An archive drops what it replaces: where
// our index is behind it, a second try follows a new one.
func (st *state) download(ctx context.Context, debs string, t kernels.Target, report func(kernels.Progress)) error {
	if _, err := st.ensure(ctx, anyAge); err != nil {
		return err
	}
	err := st.tryDownload(ctx, debs, t, report)
	if err == nil || ctx.Err() != nil {
		return err
	}
	before := st.stamp().Updated
	if refreshErr := st.refresh(ctx, time.Minute); refreshErr != nil || st.stamp().Updated.Equal(before) {
		return errors.Join(err, ctx.Err())
	}
	return st.tryDownload(ctx, debs, t, report)
}

func (st *state) tryDownload(ctx context.Context, debs string, t kernels.Target, report func(kernels.Progress)) error {
	unlock, err := st.lock(ctx, false)
	if err != nil {
		return err
	}
	defer unlock()
	if err := errors.Join(os.RemoveAll(debs), os.MkdirAll(debs, 0o755)); err != nil {
		return err
	}
	args := []string{"download", "-q"}
	for _, p := range t.Packages {
		args = append(args, p.Name+"="+p.Version)
	}
	cmd := command(ctx, "apt-get", args...)
	cmd.Dir = debs
	cmd.Env = append(cmd.Env, "APT_CONFIG="+st.path("apt.conf"))
	stop := watch(debs, "download "+t.Release, total(t), report)
	defer stop()
	_, err = run(ctx, cmd)
	return notDownloaded(err)
}

// watch reports the size of what is in dir four times a second until stop is called.
func watch(dir, what string, total int64, report func(kernels.Progress)) (stop func()) {
	end, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second / 4)
		defer tick.Stop()
		for last := int64(-1); ; {
			if size := sizeOf(dir); size != last {
				last = size
				report(kernels.Progress{What: what, Done: size, Total: total})
			}
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(end); <-ended }
}

func sizeOf(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// verify finds each package among the files in dir by its digest, which is what a lock file pins, and returns their paths in
// the packages' order.
func verify(dir string, pkgs []kernels.Package) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	byDigest := map[string]string{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		sum, err := fileSHA256(path)
		if err != nil {
			return nil, err
		}
		byDigest[sum] = path
	}
	var files []string
	for _, p := range pkgs {
		path, ok := byDigest[p.SHA256]
		if !ok {
			return nil, fmt.Errorf("the archive's %s %s is not the file with SHA-256 %s that was resolved", p.Name, p.Version, p.SHA256)
		}
		files = append(files, path)
	}
	return files, nil
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func mkdirFor(path string) error { return os.MkdirAll(filepath.Dir(path), 0o755) }
