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

// Deb is one package of the archive, in the store as it was checked against the signed index.
type Deb struct {
	kernels.Package
	File string // host path of the .deb
	Dir  string // host folder with what the package would put below /; nothing of it was run
}

// the files of an entry.
const (
	debFile = "package.deb"
	debDir  = "files"
)

// Deb obtains the newest version that suite has of the package called name, by itself: what it depends on is the caller's
// business. Errors wrap kernels.ErrNoMatch where the suite has none, and kernels.ErrUnavailable where it cannot be had.
func (s *Source) Deb(ctx context.Context, suite, name string) (*Deb, error) {
	if err := errors.Join(checkSuite(suite), kernels.CheckPackageNames([]string{name})); err != nil {
		return nil, fmt.Errorf("fetch package %q of %q: %w", name, suite, err)
	}
	d, err := s.deb(ctx, s.state(suite), name)
	if err != nil {
		return nil, fmt.Errorf("fetch package %s of %s: %w", name, suite, kernels.Unavailable(ctx, err))
	}
	return d, nil
}

func (s *Source) deb(ctx context.Context, st *state, name string) (*Deb, error) {
	if _, err := st.ensure(ctx, maxAge); err != nil {
		return nil, err
	}
	p, err := st.newest(ctx, name)
	if err != nil {
		return nil, err
	}
	dir, _, err := s.store.Fill(ctx, "debs", p.SHA256, func(dir string) error {
		if s.cfg.Offline {
			return errors.New("it is not in the store, and the network is not to be used")
		}
		return st.makeDeb(ctx, dir, p)
	})
	if err != nil {
		return nil, err
	}
	return &Deb{p, filepath.Join(dir, debFile), filepath.Join(dir, debDir)}, nil
}

func (st *state) newest(ctx context.Context, name string) (kernels.Package, error) {
	ix, err := st.packages(ctx, func(n string) bool { return n == name })
	if err != nil {
		return kernels.Package{}, err
	}
	if len(ix[name]) == 0 {
		return kernels.Package{}, fmt.Errorf("%w: %s has no package %s in main", kernels.ErrNoMatch, st.suite.name, name)
	}
	return ix[name][0].asPackage(), nil
}

func (st *state) makeDeb(ctx context.Context, dir string, p kernels.Package) error {
	title := strings.Join([]string{p.Name, p.Version, p.Arch}, " ")
	files, err := st.download(ctx, "debs", p.SHA256, title, []kernels.Package{p}, func(kernels.Progress) {})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, debFile)
	if err := os.Rename(files[0], file); err != nil {
		return err
	}
	if err := unpack(ctx, file, filepath.Join(dir, debDir), p); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, store.TitleFile), []byte(title+"\n"), 0o644)
}
