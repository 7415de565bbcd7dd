package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/modmatrix/modmatrix/kernels/dkms"
	"github.com/modmatrix/modmatrix/kernels/git"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/prebuilt"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// intake is what the plan found where the module was said to be, and the packages that it builds upon.
type intake struct {
	module   *dkms.Package
	depends  []packed
	binaries *prebuilt.Set // in place of a source: module is of an empty folder then; nil: the module is built
	fw       firmware
	opened   []*dkms.Package // the module, and what it builds upon
	release  func()          // removes what had to be unpacked; nil where nothing had to be
}

type packed struct {
	*dkms.Package
	digest string
}

// dependsDigest stands for the sources of all packages in Depends, whatever their order; empty where there are none.
func (in intake) dependsDigest() string {
	sums := listOf(in.depends, func(p packed) string { return p.digest })
	if len(sums) == 0 {
		return ""
	}
	slices.Sort(sums)
	return store.Digest(sums...)
}

func (p packed) title() string { return cmp.Or(p.Name, filepath.Base(p.Source)) }

// Close removes what Plan unpacked: a module out of an archive or a repository. The plan cannot be run after it.
func (p *Plan) Close() {
	p.in.close()
}

func (h *Harness) openPackages(ctx context.Context, spec Spec) (in intake, err error) {
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	if len(spec.Prebuilt) > 0 {
		return h.openPrebuilt(ctx, spec)
	}
	given := append([]string{spec.Module}, spec.Depends...)
	work := ""
	if spec.unpacks(given) {
		if work, in.release, err = h.store.WorkDir(); err != nil {
			return in, err
		}
	}
	if spec.Bundle != nil {
		if in.opened, err = spec.Bundle.open(work); err != nil {
			return in, err
		}
		given = slices.Concat(slices.Repeat(given[:1], len(in.opened)), spec.Depends)
	}
	for i := len(in.opened); i < len(given); i++ {
		dir := ""
		if work != "" {
			dir = filepath.Join(work, fmt.Sprint(i))
			if err := os.Mkdir(dir, 0o755); err != nil {
				return in, err
			}
		}
		pkg, err := dkms.Open(ctx, given[i], dir)
		if err != nil {
			return in, asUsage(err, given[i])
		}
		in.opened = append(in.opened, pkg)
	}
	if err := in.gather(ctx, spec, h.store.Dir(), given); err != nil {
		return in, err
	}
	return in, in.takeFirmware(ctx, spec, work)
}

func (in *intake) takeFirmware(ctx context.Context, spec Spec, work string) (err error) {
	if spec.firmwareDir() {
		in.fw, err = takeFirmware(ctx, spec.Firmware, filepath.Join(work, "firmware"))
	}
	return err
}

// unpacks reports whether one of the packages that were given is more than a folder, or something has to be copied.
func (s Spec) unpacks(given []string) bool {
	return s.firmwareDir() || slices.ContainsFunc(given, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.IsDir()
	})
}

// gather finds all that belongs to the sources of what was opened, and takes the digests of the packages to build upon.
func (in *intake) gather(ctx context.Context, spec Spec, store string, given []string) error {
	for i, pkg := range in.opened {
		exclude, omit, depends := []string(nil), []string(nil), []string(nil)
		if i == 0 {
			in.module, exclude, omit = pkg, notSource(spec, store), append(slices.Clone(spec.Exclude), EvidenceName)
			depends = listOf(in.opened[1:], func(p *dkms.Package) string { return p.Source })
		}
		if pkg.Kind != dkms.Bundled { // whose files were gathered when it was copied
			if err := pkg.Gather(ctx, exclude, omit, depends); err != nil {
				return asUsage(err, given[i])
			}
		}
		if i == 0 {
			continue
		}
		digest, err := pkg.Files.Digest(ctx)
		if err != nil {
			return asUsage(err, given[i])
		}
		in.depends = append(in.depends, packed{pkg, digest})
	}
	return nil
}

// close removes what had to be unpacked, and what was made of sources.
func (in intake) close() {
	for _, pkg := range in.opened {
		pkg.Close()
	}
	if in.release != nil {
		in.release()
	}
}

// asUsage makes a mistake of the caller of what is one, and names the module as the caller does.
func asUsage(err error, given string) error {
	wrong := (*kbuild.SourceError)(nil)
	if !errors.As(err, &wrong) {
		return err
	}
	if abs, _ := filepath.Abs(given); wrong.Path == abs {
		wrong.Path = given
	}
	return &UsageError{err}
}

// Source is what is known of the module of spec before it is built, its digest above all.
func (h *Harness) Source(ctx context.Context, spec Spec) (results.Module, error) {
	in, err := h.openPackages(ctx, spec)
	if err != nil {
		return results.Module{}, err
	}
	defer in.close()
	return in.about(ctx, spec.Bundle)
}

// about is what results.json says of the module before anything is built.
func (in intake) about(ctx context.Context, from *Bundle) (results.Module, error) {
	if in.binaries != nil {
		return in.aboutBinaries(), nil
	}
	pkg := in.module
	digest, err := pkg.Files.Digest(ctx)
	if err != nil {
		return results.Module{}, &UsageError{err}
	}
	m := results.Module{Name: packed{Package: pkg}.title(), Version: pkg.Version, SourceDigest: digest}
	switch {
	case from != nil:
		m.Git = from.git()
		return m, from.holds(digest)
	case pkg.Revision != "":
		m.Git = &results.Git{Commit: pkg.Revision}
	case pkg.Kind == dkms.Folder:
		// Where a source comes from is worth saying, not worth failing for.
		if commit, dirty, err := git.State(ctx, pkg.Source); err == nil {
			m.Git = &results.Git{Commit: commit, Dirty: dirty}
		}
	}
	return m, nil
}

// unchanged is the outcome of a build, err, if the source is still what its digest says: an editor may have saved while it was
// copied, and then the outcome is of something that nobody asked for.
func (p packed) unchanged(ctx context.Context, err error) error {
	now, digestErr := p.Files.Digest(ctx)
	switch {
	case digestErr != nil:
		return digestErr
	case now != p.digest:
		return fmt.Errorf("the source of %s changed while it was built: run it again", p.title())
	}
	return err
}
